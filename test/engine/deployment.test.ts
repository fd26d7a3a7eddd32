import { describe, expect, it } from 'vitest'
import { ClearStop, Fenced } from '../../src/core/errors.ts'
import type { Flow, State } from '../../src/core/model.ts'
import {
  DEPLOYMENT_TASK,
  Deployment,
  deployedTopologies,
  forgetDeployed,
  untilNotFenced,
} from '../../src/engine/deployment.ts'
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
    await forgetDeployed(state, clock, 'other', 'g1')
    for await (const listed of state.scan(await state.open('deployed'))) expect(listed).toEqual([])
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
    ['deployed/load', '{"current":{"rank":"1"},"generations":{}}'],
    ['generation/load@g1', 'garbage'],
  ])('is a clear stop where %s holds %s', async (task, garbage) => {
    const { state, deployment } = start()
    await deployment.take(flow('load', 'g1'), undefined)
    await state.commit(await state.open(task), { position: 0, meta: Buffer.from(garbage) })
    const stop = await deployment.take(flow('load', 'g1'), undefined).catch((error: unknown) => error)
    expect(stop).toBeInstanceOf(ClearStop)
    const what =
      task === 'generation/load@g1'
        ? 'this is no number of a generation'
        : garbage === 'garbage'
          ? 'not valid JSON'
          : 'this is no record of a topology that was deployed'
    expect(stop).toMatchObject({ code: 'state-unreadable' })
    expect(String(stop)).toContain(`${task}: `)
    expect(String(stop)).toContain(what)
  })

  it('is what was declared last of each generation, with what its rows are spread over', async () => {
    const { clock, state, deployment } = start()
    const direct = { ...flow('load', 'g2', 5), shuffle: undefined, direct: 3 } as unknown as Flow
    const transform = { ...flow('load', 'g3', 6), shuffle: undefined } as Flow
    await deployment.take(flow('load', 'g1', 3), 'first')
    await deployment.take(flow('load', 'g1', 2), 'older')
    await deployment.take(direct, 'direct')
    await deployment.take(transform, 'transform')
    const known = async () => (await deployedTopologies(state, clock)).get('load')?.generations
    const all = { definition: 'd', sources: ['events'] }
    expect(await known()).toStrictEqual({
      g1: { ...all, declaredAt: 3, shuffle: 2, about: 'first' },
      g2: { ...all, declaredAt: 5, direct: 3, about: 'direct' },
      g3: { ...all, declaredAt: 6, about: 'transform' },
    })
    await deployment.take(flow('load', 'g1', 3), 'told anew')
    await deployment.take({ ...flow('load', 'g2', 7), definition: 'e' }, 'later')
    expect(await known()).toMatchObject({
      g1: { declaredAt: 3, about: 'told anew' },
      g2: { definition: 'e', declaredAt: 7, about: 'later' },
    })
  })

  it('is not written again where nothing is new', async () => {
    const { state, deployment } = start()
    const take = () => deployment.take(flow('load', 'g1'), 'about')
    await take()
    const commits = async () =>
      (await Promise.all(['deployed', 'deployed/load'].map((task) => state.open(task)))).map((open) => open.commits)
    const once = await commits()
    await take()
    expect(await commits()).toEqual(once)
    await deployment.take(flow('load', 'g1', 2), 'about')
    expect(await commits()).toEqual([once[0], (once[1] as number) + 1])
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

describe('the generation that is to serve', () => {
  /** What is known of it after flows were taken, each at a time of its own. */
  const current = async (...taken: readonly (readonly [at: number, generation: string, declaredAt: number])[]) => {
    const { clock, state, deployment } = start()
    for (const [at, generation, declaredAt] of taken) {
      clock.move(at - clock.now())
      await deployment.take(flow('load', generation, declaredAt), undefined)
    }
    const { rank, ...what } = (await deployedTopologies(state, clock)).get('load')?.current ?? { rank: 0 }
    return { ...what, rank: rank - T }
  }
  const T = start().clock.now()

  it('is the one declared last, and comes back with a rank above all, as of the declaration that brought it back', async () => {
    expect(await current([T, 'g1', 1], [T + 10, 'g2', 2])).toEqual({ generation: 'g2', declaredAt: 2, rank: 10 })
    const back = await current([T, 'g1', 1], [T + 10, 'g2', 2], [T + 20, 'g1', 3])
    expect(back).toEqual({ generation: 'g1', declaredAt: 3, rank: 20 })
  })

  it('stays when a worker comes that still holds what was declared before', async () => {
    const stays = await current([T, 'g1', 1], [T + 10, 'g2', 5], [T + 20, 'g1', 4])
    expect(stays).toEqual({ generation: 'g2', declaredAt: 5, rank: 10 })
  })

  it('stays when a worker that stood still goes on to take up a new one, which it had read of before', async () => {
    const { clock, state, deployment } = start()
    const since = clock.monotonic()
    clock.move(10)
    await deployment.take(flow('load', 'g3', 3), undefined)
    clock.move(10)
    const [standing, serving] = [flow('load', 'g2', 2), flow('load', 'g3', 3)]
    await deployment.take(standing, undefined, since)
    expect((await deployedTopologies(state, clock)).get('load')?.current.generation).toBe('g3')
    expect(await deployment.rank(standing)).toBeLessThan(await deployment.rank(serving))
  })

  it('is a new one whatever its file says of when it was declared', async () => {
    expect(await current([T, 'g1', 5], [T + 10, 'g2', 2])).toEqual({ generation: 'g2', declaredAt: 2, rank: 10 })
  })

  it('of two that were declared at once is the one that was taken last', async () => {
    const back = await current([T, 'g1', 2], [T + 10, 'g2', 2], [T + 20, 'g1', 2])
    expect(back).toEqual({ generation: 'g1', declaredAt: 2, rank: 20 })
  })

  it('outranks the one before it where both came in one millisecond, and where the clock was set back', async () => {
    expect(await current([T, 'g1', 1], [T, 'g2', 2])).toEqual({ generation: 'g2', declaredAt: 2, rank: 1 })
    expect(await current([T, 'g1', 1], [T, 'g2', 0])).toEqual({ generation: 'g1', declaredAt: 1, rank: 0 })
    const back = await current([T, 'g1', 1], [T + 10, 'g2', 2], [T - 50, 'g1', 3])
    expect(back).toEqual({ generation: 'g1', declaredAt: 3, rank: 11 })
  })

  it('keeps its rank when it is declared again, as of the later of its declarations', async () => {
    expect(await current([T, 'g1', 1], [T + 10, 'g1', 3])).toEqual({ generation: 'g1', declaredAt: 3, rank: 0 })
    expect(await current([T, 'g1', 3], [T + 10, 'g1', 1])).toEqual({ generation: 'g1', declaredAt: 3, rank: 0 })
    // an older worker of the other generation is measured against the later one
    const stays = await current([T, 'g2', 1], [T + 10, 'g1', 2], [T + 20, 'g1', 4], [T + 30, 'g2', 3])
    expect(stays).toMatchObject({ generation: 'g1', declaredAt: 4 })
  })

  it('has the number that its generation keeps, known before it was taken', async () => {
    const { clock, deployment } = start()
    const number = await deployment.rank(flow('load', 'g1'))
    clock.move(10)
    expect(await deployment.take(flow('load', 'g1'), undefined)).toBe(number)
    await deployment.take(flow('load', 'g2', 2), undefined)
    expect(await deployment.rank(flow('load', 'g1'))).toBe(number)
  })
})

describe('a state that was lost', () => {
  /** A deployment that starts while the group has these positions of a topic of two partitions; they may change. */
  const started = async (positions: (number | undefined)[], state = new MemoryState()) => {
    const clock = new VirtualClock()
    const committed = async (group: string, topic: string) => (`${group}/${topic}` === 'g/events' ? positions : [])
    const transport = Object.assign(new MemoryTransport(), { committed })
    const deployment = new Deployment({ transport, state, clock, group: 'g' })
    await deployment.lookForLoss(['others', 'events'])
    return { state, deployment }
  }

  it('is known by what the group has at the start, partition by partition', async () => {
    const { state, deployment } = await started([undefined, 5])
    expect(await deployment.wasLost('events', 0, false)).toBe(false)
    expect(await deployment.wasLost('events', 1, false)).toBe(true)
    expect(await deployment.wasLost('others', 1, false)).toBe(false)
    const { deployment: next } = await started([undefined, 5], state)
    expect(await next.wasLost('events', 1, false)).toBe(true)
  })

  it('is not one that has never been there, nor one that a task is new in', async () => {
    const positions: (number | undefined)[] = [undefined, undefined]
    const { state, deployment } = await started(positions)
    positions[1] = 5
    expect(await deployment.wasLost('events', 1, false)).toBe(false)
    const { deployment: next } = await started(positions, state)
    expect(await next.wasLost('events', 1, false)).toBe(false)
  })

  it('of a shuffle is known by the group alone, which nobody but its reducers tells of it', async () => {
    const { deployment } = await started([undefined, undefined])
    expect(await deployment.wasLost('events', 1, true)).toBe(false)
    const positions: (number | undefined)[] = [undefined, undefined]
    const { deployment: other } = await started(positions)
    positions[1] = 0
    expect(await other.wasLost('events', 1, true)).toBe(true)
  })

  it('is known by the sign that was there at the start and is gone, whatever the group has', async () => {
    const { state, deployment } = await started([undefined, undefined])
    await state.forget(DEPLOYMENT_TASK)
    expect(await deployment.wasLost('events', 1, false)).toBe(true)
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
