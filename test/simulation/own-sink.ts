/** A sink of one's own, and what stands behind it. Its calls fail as all others do, and some are never answered. */
import type { Emission, EmissionBatch, Sink, SinkResult, Version } from '../../src/core/model.ts'
import { compareVersions } from '../../src/core/version.ts'
import { openOwnSink } from '../../src/engine/own-sink.ts'
import type { Host } from './host.ts'
import type { Network } from './network.ts'

/** Nothing computes so long; an answer may take that long. */
const LIMITS = { timeout: 60_000, answer: 2_000 }

/** Results of these are never taken. */
const isRefused = (key: string): boolean => key.startsWith('k1')

interface Newest {
  readonly version: Version
  readonly emission: Emission
  readonly features: readonly string[]
  readonly isRefused: boolean
}

/** What a service of one's own keeps: the newest of each key, by namespace. */
export class OwnService {
  private readonly newest = new Map<string, Newest>()

  take(namespace: string, features: readonly string[], { version, upto, emissions }: EmissionBatch): SinkResult {
    const refused = []
    for (const [index, emission] of emissions.entries()) {
      const { key } = emission
      if (isRefused(key)) refused.push({ index, code: 'odd', reason: 'no such key' })
      const before = this.newest.get(`${namespace} ${key}`)
      if (before && compareVersions(before.version, version) > 0) continue
      this.newest.set(`${namespace} ${key}`, { version, emission, features, isRefused: isRefused(key) })
    }
    return { safe: upto, refused }
  }

  of(namespace: string, key: string): Newest | undefined {
    return this.newest.get(`${namespace} ${key}`)
  }
}

export function ownSinkOf(
  service: OwnService,
  namespace: string,
  features: readonly string[],
  host: Host,
  network: Network,
  refused: (batch: EmissionBatch, result: SinkResult) => void,
): Promise<Sink> {
  const sink: Sink = {
    write: async (batch) => {
      const result = await network.send(host, `own.write ${batch.task} ${batch.version.epoch}.${batch.version.step}`, {
        all: async () => service.take(namespace, features, batch),
        isSilent: true,
      })
      refused(batch, result)
      return result
    },
    close: async () => undefined,
  }
  return openOwnSink('own.ts', () => sink, LIMITS, host.clock)
}
