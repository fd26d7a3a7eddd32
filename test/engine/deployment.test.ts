import { describe, expect, it } from 'vitest'
import { ClearStop, Fenced } from '../../src/core/errors.ts'
import type { Flow, State } from '../../src/core/model.ts'
import { Deployment, deployedTopologies, forgetDeployed, untilNotFenced } from '../../src/engine/deployment.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'

const flow = (name: string, generation: string, declaredAt = 1): Flow =>
  ({
    name,
    generation,
    definition: 'd',
    declaredAt,
    sources: [{ topic: 'events' }],
    shuffle: 2,
    direct: undefined,
  }) as never

function start() {
  const clock = new VirtualClock()
  const state = new MemoryState(() => clock.now())
  const transport = new MemoryTransport(() => clock.now())
  const deployment = new Deployment({ transport, state, clock, group: 'g' })
  const generationsOf = async (name: string) =>
    Object.keys((await deployedTopologies(state, clock)).get(name)?.generations ?? {})
  return { clock, state, transport, deployment, generationsOf }
}

describe('what is known of topologies that have run', () => {
  it('is forgotten generation by generation, and with the last the topology', async () => {
    const { clock, state, deployment, generationsOf } = start()
    await deployment.take(flow('load', 'g1'), undefined)
    await deployment.take(flow('load', 'g2', 2), undefined)
    await deployment.take(flow('other', 'g1'), undefined)
    await forgetDeployed(state, clock, 'load', 'g1')
    expect(await generationsOf('load')).toEqual(['g2'])
    await forgetDeployed(state, clock, 'load', 'g2')
    expect([...(await deployedTopologies(state, clock)).keys()]).toEqual(['other'])
    await forgetDeployed(state, clock, 'load', 'g2')
    await forgetDeployed(state, clock, 'never', 'g1')
    expect([...(await deployedTopologies(state, clock)).keys()]).toEqual(['other'])
  })

  it('ranks the generation that was declared last above the one that it has replaced', async () => {
    const { deployment } = start()
    const [first, second] = [flow('load', 'g1'), flow('load', 'g2', 2)]
    await deployment.take(first, undefined)
    const alone = await deployment.rank(first)
    await deployment.take(second, undefined)
    expect(await deployment.rank(first)).toBe(alone)
    expect(await deployment.rank(second)).toBeGreaterThan(alone)
  })

  it('gives a generation that was forgotten a new number, above the one it had', async () => {
    const { clock, state, deployment } = start()
    const first = await deployment.take(flow('load', 'g1'), undefined)
    await forgetDeployed(state, clock, 'load', 'g1')
    clock.move(5)
    expect(await deployment.take(flow('load', 'g1'), undefined)).toBeGreaterThan(first)
  })

  it.each([
    ['deployed/load', 'garbage'],
    ['deployed/load', 'null'],
    ['deployed/load', '{}'],
    ['deployed/load', '{"current":{"rank":1},"generations":null}'],
    ['generation/load@g1', 'garbage'],
  ])('is a clear stop where %s holds %s', async (task, garbage) => {
    const { state, deployment } = start()
    await deployment.take(flow('load', 'g1'), undefined)
    await state.commit(await state.open(task), { position: 0, meta: Buffer.from(garbage) })
    const stop = await deployment.take(flow('load', 'g1'), undefined).catch((error: unknown) => error)
    expect(stop).toBeInstanceOf(ClearStop)
    expect(stop).toMatchObject({ code: 'state-unreadable', message: expect.stringContaining(`${task}: `) })
  })

  it('leaves out a name whose record never came to be written', async () => {
    const { clock, state, deployment } = start()
    const crashing: State = Object.assign(Object.create(state), {
      commit: async (...[open, change]: Parameters<State['commit']>) => {
        if (open.task === 'deployed/load') throw new Error('crash')
        return state.commit(open, change)
      },
    })
    const crashed = new Deployment({ transport: new MemoryTransport(), state: crashing, clock, group: 'g' })
    await expect(crashed.take(flow('load', 'g1'), undefined)).rejects.toThrow('crash')
    await deployment.take(flow('other', 'g1'), undefined)
    expect([...(await deployedTopologies(state, clock)).keys()]).toEqual(['other'])
  })
})

describe('of several workers that start at once', () => {
  it('who is fenced looks again, until it is not', async () => {
    const clock = new VirtualClock()
    let attempts = 0
    const found = untilNotFenced(clock, async () => {
      if (++attempts < 4) throw new Fenced()
      return attempts
    })
    await clock.advance(1_000)
    expect(await found).toBe(4)
  })

  it('who is fenced for ever gives up, and another failure is told at once', async () => {
    const clock = new VirtualClock()
    let attempts = 0
    const found = untilNotFenced(clock, async () => {
      attempts++
      throw new Fenced()
    }).catch((error: unknown) => error)
    await clock.advance(60_000)
    expect([await found, attempts]).toEqual([expect.any(Fenced), 50])
    await expect(untilNotFenced(clock, () => Promise.reject(new Error('down')))).rejects.toThrow('down')
  })
})
