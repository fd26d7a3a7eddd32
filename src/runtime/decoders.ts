import { avroDecoder } from '../codecs/avro/index.ts'
import type { Decoder, Flow, Registry } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import type { AnyTopology } from '../project/kinds.ts'
import { readingOf } from '../project/reading.ts'

/** One decoder a topic, for the fields that any flow uses. */
export class Decoders {
  private readonly registry: Registry
  private readonly log: Log
  private flows: readonly Flow[] = []
  private topologies: readonly AnyTopology[] = []
  private readonly known = new Map<string, Decoder>()

  constructor(registry: Registry, log: Log) {
    this.registry = registry
    this.log = log
  }

  /** From now on for these flows. */
  use(flows: readonly Flow[], topologies: readonly AnyTopology[]): void {
    this.flows = flows
    this.topologies = topologies
    this.known.clear()
  }

  of(topic: string): Decoder {
    const known = this.known.get(topic)
    if (known) return known
    const { registry, log } = this
    const decoder = avroDecoder({ registry, ...readingOf(topic, this.flows, this.topologies), log })
    this.known.set(topic, decoder)
    return decoder
  }
}
