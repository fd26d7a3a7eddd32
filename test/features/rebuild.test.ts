import { expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { DEPLOYMENT_TASK } from '../../src/engine/deployment.ts'
import type { FeatureTopology } from '../../src/features/compile.ts'
import { askForRebuild, withRebuild } from '../../src/features/rebuild.ts'
import { checkProject, type Project } from '../../src/project/check.ts'
import { featuresOf } from '../../src/project/kinds.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'

const topologies = featuresOf(((await checkProject('.')).project as Project).topologies)
const [topology, other] = topologies as [FeatureTopology, FeatureTopology]

async function stateInUse(): Promise<MemoryState> {
  const state = new MemoryState()
  await state.commit(await state.open(DEPLOYMENT_TASK), { position: 0, meta: new Uint8Array(0) })
  return state
}
const at = (now: number) => ({ ...systemClock, now: () => now })

it('leaves alone what nobody asked to rebuild', async () => {
  const state = await stateInUse()
  expect(await withRebuild(topology, state)).toBe(topology)
  expect(await askForRebuild(topology, topologies, state, at(1_000))).toEqual([topology])
  expect(await withRebuild(other, state)).toBe(other)
})

it('gives what is rebuilt a generation of its own everywhere, from the earliest record', async () => {
  const state = await stateInUse()
  await askForRebuild(topology, topologies, state, at(1_000))
  const rebuilt = await withRebuild(topology, state)
  expect(rebuilt.generation).not.toBe(topology.generation)
  expect(rebuilt.flow([])).toMatchObject({ generation: rebuilt.generation, start: 'earliest', name: topology.name })
  expect((await withRebuild(topology, state)).generation).toBe(rebuilt.generation)
  await askForRebuild(topology, topologies, state, at(2_000))
  expect((await withRebuild(topology, state)).generation).not.toBe(rebuilt.generation)
})

it('ends with the generation that was rebuilt: a changed key begins as it is declared', async () => {
  const state = await stateInUse()
  await askForRebuild(topology, topologies, state, at(1_000))
  const changed = { ...topology, generation: '0badcafe' }
  expect(await withRebuild(changed, state)).toBe(changed)
})

it('rebuilds all where the state was lost, under names never used before, and then nothing counts as lost', async () => {
  const before = await stateInUse()
  await askForRebuild(topology, topologies, before, at(1_000))
  const empty = new MemoryState()
  expect(await askForRebuild(topology, topologies, empty, at(2_000))).toEqual(topologies)
  expect((await withRebuild(other, empty)).generation).not.toBe(other.generation)
  expect((await withRebuild(topology, empty)).generation).not.toBe((await withRebuild(topology, before)).generation)
  expect((await empty.open(DEPLOYMENT_TASK)).position).toBe(0)
  expect(await askForRebuild(topology, topologies, empty, at(3_000))).toEqual([topology])
})
