/** Deletes what an old generation has left: its shuffle topic, the state of its tasks, its features. */
import type { WallClock } from '../core/clock.ts'
import type { FeatureStore, State, TaskId, Transport } from '../core/model.ts'
import { type DeployedTopology, forgetDeployed } from '../engine/deployment.ts'
import { mapTask, reduceTask, shuffleTopic, transformTask } from '../engine/names.ts'
import { forgetRebuild } from '../features/rebuild.ts'
import type { OldGeneration } from './plan.ts'

export interface SweepServices {
  readonly transport: Transport
  readonly state: State
  readonly store: FeatureStore
  readonly clock: WallClock
}

/** What it has, to be said before it is deleted. */
export interface Remains {
  readonly namespace: string
  readonly shuffle: string | undefined
  readonly tasks: readonly TaskId[]
}

export async function remainsOf(
  { topology, generation }: OldGeneration,
  deployed: DeployedTopology,
  deployment: string,
  { transport }: Pick<SweepServices, 'transport'>,
): Promise<Remains> {
  const of = { name: topology, generation }
  const { sources = [], shuffle, direct = 0 } = deployed.generations[generation] ?? {}
  const topics = await transport.topics(sources)
  const reduces = Array.from({ length: shuffle ?? direct }, (_, partition) => reduceTask(of, partition))
  const others = [mapTask, transformTask].flatMap((taskOf) =>
    [...topics].flatMap(([topic, { partitions }]) =>
      Array.from({ length: partitions }, (_, partition) => taskOf(of, topic, partition)),
    ),
  )
  return {
    namespace: `${topology}@${generation}`,
    shuffle: shuffle === undefined ? undefined : shuffleTopic(deployment, of),
    tasks: [...reduces, ...others],
  }
}

/** May be repeated after a failure: what is known of the generation goes last. */
export async function sweep(
  old: OldGeneration,
  { namespace, shuffle, tasks }: Remains,
  { transport, state, store, clock }: SweepServices,
): Promise<void> {
  if (shuffle !== undefined) await transport.deleteTopic(shuffle)
  for (const task of tasks) await state.forget(task)
  await store.forget(namespace)
  if (old.because === 'removed') await forgetRebuild({ name: old.topology, generation: old.generation }, state)
  await forgetDeployed(state, clock, old.topology, old.generation)
}
