/**
 * A rebuild computes a topology again from the start of its topics, beside the one that serves: it is a generation of
 * its own, named after the moment at which it was asked for. The alias moves by itself once it has caught up.
 */
import type { WallClock } from '../core/clock.ts'
import type { Flow, Millis, State } from '../core/model.ts'
import type { Topology } from '../core/topology.ts'
import { DEPLOYMENT_TASK, untilNotFenced } from '../engine/deployment.ts'

type Named = Pick<Topology, 'name' | 'generation'>
type Startable = Named & { readonly flow: (opened: never) => Flow }

/** The state holds here when the newest rebuild of a topology's generation was asked for. */
const taskOf = ({ name, generation }: Named) => `rebuild/${name}@${generation}`

/** Never one used before, even when the state forgot all: it would meet what stands under that name. */
const generationOf = ({ generation }: Named, askedAt: Millis) => `${generation}r${askedAt.toString(36)}`

/** The topology as it has to run: under its newest rebuild's generation, if there is one, and then from the earliest record. */
export async function withRebuild<T extends Startable>(topology: T, state: State): Promise<T> {
  const { meta } = await state.open(taskOf(topology))
  if (meta.length === 0) return topology
  const generation = generationOf(topology, Number(Buffer.from(meta).toString()))
  const flow = (opened: never): Flow => ({ ...topology.flow(opened), generation, start: 'earliest' })
  return { ...topology, generation, flow }
}

/**
 * Asks for a rebuild of a topology; answers those that will be rebuilt. They are all of them where the state has lost
 * everything, as none of them could go on. Workers take it up when they start.
 */
export async function askForRebuild<T extends Named>(
  topology: T,
  all: readonly T[],
  state: State,
  clock: WallClock,
): Promise<readonly T[]> {
  const isLost = (await state.open(DEPLOYMENT_TASK)).position === undefined
  const rebuilt = isLost ? all : [topology]
  for (const each of rebuilt) {
    await untilNotFenced(clock, async () => {
      const open = await state.open(taskOf(each))
      await state.commit(open, { position: 0, meta: Buffer.from(String(clock.now())) })
    })
  }
  // last: a worker that starts in between still stops, and tells what to do
  if (isLost) {
    await untilNotFenced(clock, async () => {
      const open = await state.open(DEPLOYMENT_TASK)
      if (open.position === undefined) await state.commit(open, { position: 0, meta: new Uint8Array(0) })
    })
  }
  return rebuilt
}

/** The topology is gone: if it comes back, it is not rebuilt for what was asked then. */
export async function forgetRebuild(named: Named, state: State): Promise<void> {
  await state.forget(taskOf(named))
}
