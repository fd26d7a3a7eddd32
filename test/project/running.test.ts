import { beforeEach, describe, expect, it } from 'vitest'
import { MillraceError } from '../../src/core/errors.ts'
import type { Flow } from '../../src/core/model.ts'
import { askForRebuild } from '../../src/features/rebuild.ts'
import { checkProject, type Project } from '../../src/project/check.ts'
import type { AnyTopology } from '../../src/project/kinds.ts'
import { Running } from '../../src/project/running.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'

const { topologies } = (await checkProject('.')).project as Project
const named = (name: string) => topologies.find((topology) => topology.name === name) as AnyTopology
const [load, backlog] = [named('store-load'), named('store-backlog')]

let clock: VirtualClock
let state: MemoryState
let running: Running
/** `name@generation/definition` of what runs, of what was closed, and what a service refuses. */
let runs: string[]
let closed: string[]
let flows: readonly Flow[]
/** Definitions that were prepared, and since when they were to run. */
let preparedOf: [definition: string, since: number | undefined][]
let refuses: string
let blocked: string[]
let alias: string | undefined
/** Does the feature store not answer? */
let isSilent: boolean
const BLOCKED = { id: 'x', condition: 'blocked' as const, reason: 'x', lag: 0, clock: undefined }
const silent = () => undefined

const labelOf = ({ name, generation, definition }: Pick<AnyTopology, 'name' | 'generation' | 'definition'>) =>
  `${name}@${generation}/${definition}`
const changed = (topology: AnyTopology, changes: Partial<AnyTopology>) => {
  const flow = (opened: never) => ({ ...topology.flow(opened), ...changes })
  return { ...topology, ...changes, flow } as AnyTopology
}

beforeEach(async () => {
  clock = new VirtualClock()
  state = new MemoryState(() => clock.now())
  closed = []
  preparedOf = []
  refuses = ''
  blocked = []
  isSilent = false
  alias = `store-load@${load.generation}`
  running = new Running({
    worker: {
      prepare: async (flow, since) => {
        preparedOf.push([flow.definition, since])
        if (refuses === flow.name) throw new MillraceError('topic-missing', 'no such topic')
      },
      status: () => blocked.map((topology) => ({ ...BLOCKED, topology })),
      update: async (next) => {
        flows = next
        runs = next.map(labelOf)
      },
    },
    state,
    store: {
      alias: async (name) => {
        if (isSilent) throw new MillraceError('store-failed', 'no answer')
        return name === 'store-load' ? alias : undefined
      },
    },
    open: async (topology) => ({
      flow: topology.flow([] as never),
      close: async () => {
        closed.push(labelOf(topology))
      },
    }),
    changed: silent,
    clock,
    log: { debug: silent, info: silent, warn: silent, error: silent },
  })
  flows = await running.begin([load, backlog])
  runs = flows.map(labelOf)
})

describe('the topologies that run', () => {
  it('go on as the same flows where nothing of them changes', async () => {
    const before = [...flows]
    await running.take([changed(load, { declaredAt: 5 }), backlog])
    expect(flows).toEqual(before)
    for (const [i, flow] of flows.entries()) expect(flow).toBe(before[i])
    expect(closed).toEqual([])
  })

  it('change within their generation, by a declaration that is later whatever the time of its file', async () => {
    const next = changed(load, { definition: 'next', declaredAt: 1 })
    await running.take([next, backlog])
    expect(new Set(runs)).toEqual(new Set([labelOf(next), labelOf(backlog)]))
    expect(flows.find(({ definition }) => definition === 'next')?.declaredAt).toBe(load.declaredAt + 1)
    expect(closed).toEqual([labelOf(load)])
  })

  it('are opened again where they are blocked, with the time of the file as it is now', async () => {
    blocked = ['store-load']
    const saved = changed(load, { declaredAt: load.declaredAt + 1_000 })
    await running.take([saved, backlog])
    expect(closed).toEqual([labelOf(load)])
    expect(flows.find(({ name }) => name === 'store-load')?.declaredAt).toBe(load.declaredAt + 1_000)
  })

  it('go when they are no longer declared, and are closed when the worker has let go of them', async () => {
    await running.take([backlog])
    expect(runs).toEqual([labelOf(backlog)])
    expect(closed).toEqual([labelOf(load)])
  })

  it('are refused one by one: what ran goes on, and is tried again until it can be taken up', async () => {
    const next = changed(load, { definition: 'next' })
    refuses = 'store-load'
    await running.take([next])
    expect(runs).toEqual([labelOf(load)])
    expect([...running.refused]).toEqual([['store-load', 'no such topic']])
    expect(closed).toEqual([labelOf(next), labelOf(backlog)])
    refuses = ''
    const declared = clock.monotonic()
    await clock.advance(6_000)
    expect(preparedOf).toEqual([
      ['next', declared],
      ['next', declared],
    ])
    expect(runs).toEqual([labelOf(next)])
    expect(running.refused.size).toBe(0)
    await running.end()
  })

  it('are numbered by the moment when a rebuild was found, not by that of the declaration it rebuilds', async () => {
    const next = changed(load, { generation: 'next', definition: 'next' })
    const declared = clock.monotonic()
    await running.take([next, backlog])
    await clock.advance(3_600_000)
    await askForRebuild(next, [next], state, clock)
    await clock.advance(6_000)
    expect(preparedOf).toEqual([
      ['next', declared],
      ['next', undefined],
    ])
    await running.end()
  })

  it('keep the generation that serves until the alias has moved to the next', async () => {
    const next = changed(load, { generation: 'next', definition: 'next' })
    await running.take([next])
    await clock.advance(20_000)
    expect(new Set(runs)).toEqual(new Set([labelOf(load), labelOf(next)]))
    alias = 'store-load@next'
    await clock.advance(6_000)
    expect(runs).toEqual([labelOf(next)])
    expect(closed).toEqual([labelOf(backlog), labelOf(load)])
    await running.end()
  })

  it('run once where a generation comes back that was being replaced', async () => {
    await running.take([changed(load, { generation: 'next', definition: 'next' })])
    await running.take([load])
    expect(runs).toEqual([labelOf(load)])
    expect(running.topologies.map(labelOf)).toEqual([labelOf(load)])
  })

  it('are tried again when the state did not answer', async () => {
    const next = changed(load, { definition: 'next' })
    const open = state.open.bind(state)
    state.open = () => Promise.reject(new MillraceError('store-failed', 'no answer'))
    await expect(running.take([next])).rejects.toThrow('no answer')
    state.open = open
    await clock.advance(6_000)
    expect(runs).toEqual([labelOf(next)])
    await running.end()
  })

  it('are closed once they are gone, also where the feature store did not answer at first', async () => {
    await running.take([changed(load, { generation: 'next', definition: 'next' }), backlog])
    isSilent = true
    await expect(running.take([changed(load, { generation: 'next', definition: 'next' })])).rejects.toThrow('no answer')
    expect(closed).toEqual([])
    isSilent = false
    await clock.advance(6_000)
    expect(runs).not.toContain(labelOf(backlog))
    expect(closed).toEqual([labelOf(backlog)])
    await running.end()
  })

  it('are tried again as well when they were declared while others were being taken up', async () => {
    const next = changed(load, { definition: 'next' })
    const open = state.open.bind(state)
    const first = running.take([load])
    // it has asked the state by now
    await Promise.resolve()
    const second = running.take([next])
    state.open = () => Promise.reject(new MillraceError('store-failed', 'no answer'))
    await first
    await expect(second).rejects.toThrow('no answer')
    state.open = open
    await clock.advance(6_000)
    expect(runs).toEqual([labelOf(next)])
    await running.end()
  })
})
