import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Partition } from '../../src/core/model.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { Groups } from './groups.ts'
import { Host } from './host.ts'
import { Network } from './network.ts'
import { Random, Trace } from './random.ts'
import { stateOf, transportOf } from './services.ts'

function setUp(share: number, seed = 1) {
  const clock = new VirtualClock()
  const log = new MemoryTransport(() => clock.now())
  const state = new MemoryState(() => clock.now())
  const network = new Network({ share, late: true }, new Random(seed, 'network'), new Trace(true))
  const groups = new Groups(log, network, new Random(seed, 'groups'))
  const host = new Host('w1', clock)
  const transport = (of: Host) =>
    transportOf(log, groups, of, network, new Random(seed, 'services'), {
      sent: () => undefined,
      stands: () => undefined,
    })
  /** Until nothing is on its way. */
  const run = async () => {
    for (let n = 0; n < 500 && (network.isBusy || groups.isBusy); n++) {
      if (!groups.step()) network.step()
      await turn()
    }
  }
  return { clock, log, state, network, groups, host, transport, run }
}

const told = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    () => 'failed',
  )

describe('a call', () => {
  it('waits until it arrives, and its answer until it comes back', async () => {
    const { network, host, run } = setUp(0)
    let applied = 0
    const call = told(
      network.send(host, 'count', {
        all: async () => {
          applied++
        },
      }),
    )
    await turn()
    expect(applied).toBe(0)
    await run()
    expect([await call, applied]).toEqual(['done', 1])
  })

  it('that fails is not done, done all the same, or done later; and nothing else happens', async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 40; seed++) {
      const { network, host, run } = setUp(1, seed)
      let applied = 0
      const call = told(
        network.send(host, 'count', {
          all: async () => {
            applied++
          },
        }),
      )
      await run()
      expect(await call).toBe('failed')
      const before = applied
      network.comeLate(1)
      seen.add(`${before} then ${applied}`)
    }
    expect([...seen].sort()).toEqual(['0 then 0', '0 then 1', '1 then 1'])
  })

  it('that is written in part keeps the order of each partition', async () => {
    const ends = new Set<string>()
    for (let seed = 1; seed <= 60; seed++) {
      const { log, network, host, transport, run } = setUp(1, seed)
      await log.create({ name: 't', partitions: 2, retentionMs: -1 })
      const drafts = [0, 1, 2, 3, 4, 5].map((i) => ({
        topic: 't',
        partition: i % 2,
        key: null,
        value: Buffer.from([i]),
      }))
      const call = told(transport(host).write(drafts))
      await run()
      expect(await call).toBe('failed')
      const values = async (partition: number) =>
        (await log.read({ topic: 't', partition }, 0)).records.map(({ value }) => value?.[0])
      for (const partition of [0, 1]) {
        const written = await values(partition)
        expect(written).toEqual([partition, partition + 2, partition + 4].slice(0, written.length))
      }
      ends.add(`${(await values(0)).length} ${(await values(1)).length}`)
      network.comeLate(1)
      for (const partition of [0, 1]) {
        const written = await values(partition)
        expect(written).toEqual([partition, partition + 2, partition + 4].slice(0, written.length))
      }
    }
    expect(ends.size).toBeGreaterThan(4)
  })

  it('of a machine that stands still takes effect, and is answered when it wakes up', async () => {
    const { network, host, run } = setUp(0)
    let applied = false
    let answered = false
    void network
      .send(host, 'set', {
        all: async () => {
          applied = true
        },
      })
      .then(() => {
        answered = true
      })
    host.freeze()
    await run()
    expect([applied, answered]).toEqual([true, false])
    host.thaw()
    await run()
    expect(answered).toBe(true)
  })

  it('of a machine that is gone is never answered', async () => {
    const { network, host, run } = setUp(0)
    let answered = false
    void network.send(host, 'ask', { all: async () => 1 }).then(() => {
      answered = true
    })
    host.kill()
    await run()
    for (let n = 0; n < 20; n++) network.step()
    await turn()
    expect(answered).toBe(false)
  })
})

describe('a machine', () => {
  it('that stands still wakes from its pauses when it goes on', async () => {
    const { clock, host } = setUp(0)
    let woken = false
    void host.clock.wait(100).then(() => {
      woken = true
    })
    host.freeze()
    await clock.advance(1_000)
    expect(woken).toBe(false)
    host.thaw()
    await turn()
    expect(woken).toBe(true)
  })

  it('learns what a commit changed only by its answer', async () => {
    const change = { position: 5, meta: new Uint8Array(0) }
    const seen = new Set<string>()
    for (let seed = 1; seed <= 30; seed++) {
      const { state, host, network, run } = setUp(0, seed)
      const port = stateOf(state, host, network, { claimed: () => undefined, committed: () => undefined })
      const opening = port.open('t')
      await run()
      const open = await opening
      network.faults.share = 1
      const call = told(port.commit(open, change))
      await run()
      expect([await call, open.commits, open.position]).toEqual(['failed', 0, undefined])
      seen.add(String(state.stored('t')?.position))
    }
    expect([...seen].sort()).toEqual(['5', 'undefined'])
  })
})

describe('a group', () => {
  it('gives partitions of who stands still to another, who may have them while the first knows nothing of it', async () => {
    const { clock, log, groups, host, transport, run } = setUp(0)
    await log.create({ name: 't', partitions: 2, retentionMs: -1 })
    const events: string[] = []
    const recorder = (name: string) => ({
      opened: async ({ partition }: Partition) => {
        events.push(`${name} opens ${partition}`)
        return 0
      },
      closed: ({ partition }: Partition) => {
        events.push(`${name} closes ${partition}`)
      },
      batch: async () => undefined,
    })
    const other = new Host('w2', clock)
    void transport(host).join('g', ['t'], recorder('w1'))
    await run()
    expect(events.sort()).toEqual(['w1 opens 0', 'w1 opens 1'])
    events.length = 0
    host.freeze()
    await clock.advance(20_000)
    void transport(other).join('g', ['t'], recorder('w2'))
    await run()
    groups.expel(10_000)
    await run()
    expect(events.sort()).toEqual(['w2 opens 0', 'w2 opens 1'])
    host.thaw()
    groups.expel(10_000)
    await run()
    expect(events).toContain('w1 closes 0')
    expect(events).toContain('w1 closes 1')
  })
})
