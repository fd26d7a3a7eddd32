import { z } from 'zod'
import type { Emission, EmissionBatch, Sink, SinkContext, TaskId, Version } from '../core/model.ts'
import type { Part } from '../core/part.ts'

/** Marks of tasks that have caught up stand beside the marks of what they wrote. */
const liveMark = (task: TaskId): TaskId => `live/${task}`

/** Writes results to the feature store, and moves the topology's alias here once every task has caught up. */
export async function openStoreSink({ store, namespace, topology, features }: SinkContext): Promise<Sink> {
  const write = (batch: EmissionBatch) =>
    store.write({ namespace, names: features, batch: { ...batch, emissions: newestOfEach(batch.emissions) } })
  return {
    write: async (batch) => {
      const behind = (await write(batch)) === 'behind'
      return behind ? { safe: batch.upto, behind } : { safe: batch.upto }
    },
    mark: (task) => store.mark(namespace, task),
    caughtUp: async (task, version, tasks) => {
      await write({ task: liveMark(task), version, upto: 0, said: undefined, emissions: [] })
      if ((await store.alias(topology)) === namespace) return
      const marks = await Promise.all(tasks.map((each) => store.mark(namespace, liveMark(each))))
      // an older mark is of an earlier time, before another generation was declared
      if (marks.every((mark: Version | undefined) => mark !== undefined && mark.generation >= version.generation))
        await store.moveAlias(topology, namespace, version.generation)
    },
    close: async () => undefined,
  }
}

function newestOfEach(emissions: readonly Emission[]): readonly Emission[] {
  const newest = new Map(emissions.map((emission) => [emission.key, emission]))
  return newest.size === emissions.length ? emissions : [...newest.values()]
}

const part: Part<Record<string, never>, (context: SinkContext) => Promise<Sink>> = {
  summary: 'Keeps the newest values of every entity in the feature store, from where the API serves them.',
  config: z.strictObject({}),
  example: 'to: [store]',
  notes:
    'Idempotent: an entry carries (generation, epoch, step), and an older one is refused. A feature store that went back in time is noticed by its mark and told every value again.',
  open: () => openStoreSink,
}
export default part
