/** Looks at the feature store all the time, as a reader would: values never go back, and never are what they never were. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FeatureRecord } from '../../src/core/model.ts'
import type { Oracle } from './oracle.ts'

const EVERY_MS = 250

interface Seen {
  readonly topology: string
  readonly key: string
  readonly values: FeatureRecord['values']
}

export class Watcher {
  /** Set while values may go back: after the state went back in time, they retrace. */
  mayGoBack = false
  private readonly read: (topology: string, keys: readonly string[]) => Promise<readonly (FeatureRecord | undefined)[]>
  private readonly topologies: readonly string[]
  private readonly keys: () => readonly string[]
  private readonly counts = new Map<string, number>()
  private seen: Seen[] = []
  private readonly wrong: string[] = []
  private readonly ended = new AbortController()
  private readonly watching: Promise<void>

  constructor(read: Watcher['read'], topologies: readonly string[], keys: () => readonly string[]) {
    this.read = read
    this.topologies = topologies
    this.keys = keys
    this.watching = this.watch()
  }

  private async watch(): Promise<void> {
    while (!this.ended.signal.aborted) {
      for (const topology of this.topologies) await this.look(topology)
      await sleep(EVERY_MS, undefined, { signal: this.ended.signal }).catch(() => undefined)
    }
  }

  private async look(topology: string): Promise<void> {
    const keys = this.keys()
    // a store that is down shows nothing
    const records = await this.read(topology, keys).catch(() => [])
    for (const [i, record] of records.entries()) {
      if (!record) continue
      const key = keys[i] as string
      const place = `${topology}/${key}`
      const count = Number(record.values.count)
      const before = this.counts.get(place) ?? 0
      if (count === before) continue
      if (count < before && !this.mayGoBack)
        this.wrong.push(`${topology}: count of ${key} went back from ${before} to ${count}`)
      this.counts.set(place, count)
      this.seen.push({ topology, key, values: record.values })
    }
  }

  /** What was wrong since the last call, now that the oracle is up to date. */
  differences(oracle: Oracle): string[] {
    const wrong = this.wrong.splice(0)
    for (const { topology, key, values } of this.seen.splice(0)) {
      const link = oracle.at(key, Number(values.count))
      const right = link && { chain: link.chain, sum: link.sum, squares: link.squares, newest: link.n }
      for (const [name, value] of Object.entries(right ?? { count: undefined }))
        if (name in values && values[name] !== value)
          wrong.push(
            `${topology}: ${key} was seen after ${values.count} events with ${name} ${values[name]}, not ${value}`,
          )
    }
    return wrong
  }

  async end(): Promise<void> {
    this.ended.abort()
    await this.watching
  }
}
