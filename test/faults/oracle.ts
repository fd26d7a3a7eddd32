/**
 * What must come of the events: for every key the chain over its events as they stand in the log, link by link. It is read
 * from the log and not taken from the producer, which cannot know whether a write that failed took place.
 */
import type { Transport } from '../../src/core/model.ts'
import { readStep } from './events.ts'
import { LogReader } from './log-reader.ts'
import { fold } from './project/parts/fold.ts'

/** A key after some of its events. */
export interface Link {
  readonly count: number
  readonly chain: number
  readonly sum: number
  readonly squares: number
  /** Number that the producer gave to the newest event. */
  readonly n: number
}

const NOTHING: Link = { count: 0, chain: 0, sum: 0, squares: 0, n: 0 }

export class Oracle {
  private readonly links = new Map<string, Link[]>()
  /** Bytes of records that nobody can decode, by `<partition>/<position>`. */
  readonly poison = new Map<string, Buffer>()
  /** Good records read so far. */
  events = 0
  private readonly reader: LogReader

  constructor(transport: Transport, topic: string) {
    this.reader = new LogReader(transport, topic)
  }

  /** Takes in what was written since. */
  async catchUp(): Promise<void> {
    for await (const { value, partition, position } of this.reader.more()) {
      const step = value && readStep(value)
      if (step) this.add(step.key, step.n, step.value)
      else if (value) this.poison.set(`${partition}/${position}`, value)
    }
  }

  private add(key: string, n: number, value: number): void {
    let links = this.links.get(key)
    if (!links) {
      links = [NOTHING]
      this.links.set(key, links)
    }
    const { count, chain, sum, squares } = links.at(-1) as Link
    const next = { chain: fold(chain, value), sum: sum + value, squares: squares + value * value, n }
    links.push({ count: count + 1, ...next })
    this.events++
  }

  get keys(): string[] {
    return [...this.links.keys()]
  }

  /** The key after that many of its events; undefined when it never had as many. */
  at(key: string, count: number): Link | undefined {
    return this.links.get(key)?.[count]
  }

  /** The key after all its events. */
  last(key: string): Link {
    return this.links.get(key)?.at(-1) ?? NOTHING
  }

  /** Has the log every event of the key that was acknowledged, those numbered from 1 to `n`, at least once? */
  has(key: string, n: number): boolean {
    const seen = new Set(this.links.get(key)?.map((link) => link.n))
    for (let i = 1; i <= n; i++) if (!seen.has(i)) return false
    return true
  }
}
