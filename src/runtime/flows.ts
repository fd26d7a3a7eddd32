import { registeredEncoder, topicEncoder } from '../codecs/avro/index.ts'
import { systemClock } from '../core/clock.ts'
import type { Sink, SinkContext } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { meteredSink } from '../engine/metered-sink.ts'
import type { Metrics } from '../engine/metrics.ts'
import { openOwnSink } from '../engine/own-sink.ts'
import type { FeatureTopology } from '../features/compile.ts'
import { sinkContext } from '../features/sinks.ts'
import type { Project } from '../project/check.ts'
import type { AnyTopology } from '../project/kinds.ts'
import type { OpenedFlow } from '../project/running.ts'
import { openWrites } from '../transforms/writes.ts'
import type { Services } from './services.ts'

/** Opens what a topology writes to; closes it again when a part of it fails. */
export async function openFlow(
  topology: AnyTopology,
  project: Project,
  { transport, registry, store }: Services,
  metrics: Metrics,
  log: Log,
): Promise<OpenedFlow> {
  const opened: Sink[] = []
  const close = async () => {
    for (const sink of opened.splice(0).reverse()) await sink.close()
  }
  try {
    if (topology.kind === 'transform') {
      const encoders = await openWrites(topology.writes, transport, (topic) => topicEncoder(registry, topic))
      return { flow: topology.flow(encoders), close }
    }
    const encoder: SinkContext['encoder'] = (subject, schema) => registeredEncoder(registry, subject, schema)
    const partitions = project.config.engine.shufflePartitions
    const context = sinkContext(topology, { partitions, store, transport, encoder })
    return { flow: topology.flow(await openSinks(topology, project, context, metrics, opened, log)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openSinks(
  topology: FeatureTopology,
  { directory, config }: Project,
  context: SinkContext,
  metrics: Metrics,
  opened: Sink[],
  log: Log,
): Promise<Sink[]> {
  const here: Sink[] = []
  for (const { kind, part, settings, topic } of topology.outputs) {
    const open = async () => (await part.open(settings, { directory, deployment: config.deployment, log }))(context)
    const sink = part.own ? await openOwnSink(part.own.path, open, config.ownParts, systemClock) : await open()
    opened.push(sink)
    here.push(meteredSink(sink, { topology: topology.name, to: topic ?? kind }, metrics))
  }
  return here
}
