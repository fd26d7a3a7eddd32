import { describe, expect, it } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import type { Column, FeatureFlow, Reducer } from '../../src/core/model.ts'
import { lateLetter } from '../../src/engine/late.ts'
import type { Worker } from '../../src/engine/worker.ts'
import { type Faults, unreliable } from './unreliable.ts'
import { type TestEvent, World } from './world.ts'

const ALLOWANCE = 500
const isLate = (time: number, clock: number) => time + ALLOWANCE <= clock
const keys = ['a', 'b', 'c', 'd']

interface Ledger {
  newest: number
  count: number
  sum: number
}

/** Counts what is in time, for ever; a row is late half a second behind the clock. */
function ledgerReducer(): Reducer<Ledger> {
  return {
    slots: ['ledger'],
    create: () => ({ newest: 0, count: 0, sum: 0 }),
    apply: (rows) => (state, row, clock) => {
      const time = rows.time[row] as number
      state.newest = Math.max(state.newest, time)
      if (isLate(time, clock)) return
      state.count++
      state.sum += (rows.columns.get('value') as Float64Array)[row] as number
    },
    late: (rows) => (row, clock) => (isLate(rows.time[row] as number, clock) ? ['count', 'sum'] : []),
    newest: ({ newest }) => newest,
    expire: () => undefined,
    nextDue: () => Number.POSITIVE_INFINITY,
    isSpent: () => false,
    evaluate: ({ count, sum }) => [count, sum, 0],
    encode: ({ newest, count, sum }) => {
      const to = new ByteWriter()
      for (const number of [newest, count, sum]) to.double(number)
      return { main: to.take(), segments: [] }
    },
    decode: (bytes) => {
      const from = new ByteReader(bytes)
      return { newest: from.double(), count: from.double(), sum: from.double() }
    },
    isWhole: () => true,
    missing: () => [],
    attach: () => undefined,
  }
}

interface LateRow {
  readonly key: string
  readonly time: number
  readonly features: readonly string[]
  readonly values: { readonly value: number }
}

/** Every row that was sent to the dead letters, once per name. */
async function lateRows(world: World): Promise<Map<string, LateRow>> {
  const { records } = await world.transport.read({ topic: 'test.dead-letters', partition: 0 }, 0)
  const found = new Map<string, LateRow>()
  for (const { headers, value } of records) {
    expect(String(headers['millrace-error-code'])).toBe('late')
    const name = String(headers['millrace-id'])
    const row = JSON.parse(String(value)) as LateRow
    expect(found.get(name) ?? row, 'the same under one name').toEqual(row)
    found.set(name, row)
  }
  return found
}

/** Events come up to 3 s after their time, while workers crash and services fail: each is counted, or late, never both. */
async function run(seed: number, shuffle: number | undefined): Promise<number> {
  const random = seeded(seed)
  const int = (n: number) => Math.floor(random() * n)
  const faults: Faults = { random, share: 0.1, late: [] }
  const world = await World.create({
    shuffle,
    flow: { reducer: ledgerReducer as FeatureFlow['reducer'] },
    settings: {
      // another for every worker: what is read again is cut otherwise
      get maxRecords() {
        return 1 + int(30)
      },
      maxRows: 1 + int(100),
    },
    transport: (real) => unreliable(real, ['write', 'ranges'], faults),
    state: (real) => unreliable(real, ['open', 'read', 'commit'], faults),
  })
  const workers: Worker[] = []
  let value = 0
  for (let round = 0; round < 15; round++) {
    if (workers.length === 0 || random() < 0.2) {
      const worker = world.worker(random() < 0.3 ? `tag${int(2)}` : undefined)
      await worker.start().then(
        () => workers.push(worker),
        () => worker.stop(),
      )
    }
    for (let n = int(25); n > 0; n--) {
      const k = int(keys.length)
      const event: TestEvent = {
        key: keys[k] as string,
        at: world.clock.now() - int(random() < 0.3 ? 3_000 : 300),
        value: 2 ** (value % 40) + value++,
      }
      await world.send('events', shuffle === undefined ? k % 3 : int(3), event)
    }
    await faults.late
      .shift()?.()
      .catch(() => undefined)
    await world.clock.advance(int(4) * 400)
  }
  faults.share = 0
  for (const worker of workers) await worker.stop().catch(() => undefined)
  for (const late of faults.late.splice(0)) await late().catch(() => undefined)
  const last = world.worker()
  await last.start()
  expect({ seed, settled: await world.settle(last) }).toEqual({ seed, settled: true })
  const late = [...(await lateRows(world)).values()]
  for (const key of new Set(world.sent.map((event) => event.key))) {
    const sent = world.sent.filter((event) => event.key === key)
    const tooLate = late.filter((row) => row.key === key).map(({ values }) => values.value)
    const inTime = sent.map((event) => event.value).filter((each) => !tooLate.includes(each))
    const found = (await world.features(key))?.values
    const sum = inTime.reduce((total, each) => total + each, 0)
    expect({ seed, key, ...found }).toEqual({ seed, key, count: inTime.length, sum, total: 0 })
    expect(tooLate.length + inTime.length).toBe(sent.length)
  }
  await last.stop()
  return late.length
}

describe('an event that came too late for what had closed', () => {
  const seeds = Array.from({ length: 60 }, (_, i) => i + 1)

  it.each([
    ['through a shuffle', 2],
    ['reading a keyed topic directly', undefined],
  ])(
    'is in the dead letters, once by name, or is counted, never both, %s',
    { timeout: 120_000 },
    async (_, shuffle) => {
      let late = 0
      for (const seed of seeds) late += await run(seed, shuffle)
      expect(late).toBeGreaterThan(seeds.length)
    },
  )

  it('is judged as before when the same records are read again in other portions', async () => {
    let gate = Promise.withResolvers<void>()
    let broken = false
    const world = await World.create({
      topics: { events: 1 },
      shuffle: undefined,
      flow: { reducer: ledgerReducer as FeatureFlow['reducer'] },
      sink: (real) => ({ ...real, write: (batch) => gate.promise.then(() => real.write(batch)) }),
      state: (real) =>
        Object.assign(Object.create(real) as typeof real, {
          commit: (...args: Parameters<typeof real.commit>) =>
            broken ? Promise.reject(new Error('down')) : real.commit(...args),
        }),
    })
    const worker = world.worker()
    await worker.start()
    const now = world.clock.now()
    for (const [value, at] of [now - 2_000, now, now - 1_000].entries()) {
      await world.send('events', 0, { key: 'a', at, value })
      await world.clock.advance(100)
    }
    const first = gate
    gate = Promise.withResolvers()
    first.resolve()
    await world.clock.advance(100)
    broken = true
    gate.resolve()
    await world.clock.advance(100)
    expect((await lateRows(world)).size).toBe(1)
    await worker.stop()
    broken = false
    const next = world.worker()
    await next.start()
    expect(await world.settle(next)).toBe(true)
    expect((await world.features('a'))?.values).toEqual({ count: 2, sum: 1, total: 0 })
    expect((await lateRows(world)).size).toBe(1)
    await next.stop()
  })

  it('is told with its place, its key, its time and what was read of it', async () => {
    const world = await World.create({
      topics: { events: 1 },
      flow: { reducer: ledgerReducer as FeatureFlow['reducer'] },
    })
    const worker = world.worker()
    await worker.start()
    const now = world.clock.now()
    await world.send('events', 0, { key: 'a', at: now, value: 1 })
    await world.settle(worker)
    await world.send('events', 0, { key: 'a', at: now - ALLOWANCE - 1, value: 7 })
    await world.settle(worker)
    await worker.stop()
    const [[name, row] = []] = await lateRows(world)
    expect(name).toMatch(/^load\/events#.*\/0\/late\/1\.0\/a$/)
    expect(row).toEqual({ key: 'a', time: now - ALLOWANCE - 1, features: ['count', 'sum'], values: { value: 7 } })
    const { metrics } = world
    const counted = await metrics.deadLetters.get()
    expect(counted.values).toEqual([expect.objectContaining({ labels: { topology: 'load', code: 'late' }, value: 1 })])
  })
})

it('the letter of a row has its key, time and values, whatever their kind, and the number of the row within its record', () => {
  const columns = new Map<string, Column>([
    ['flag', Uint8Array.of(0, 1)],
    ['number', Float64Array.of(1.5, Number.NaN)],
    ['text', ['x', null]],
  ])
  const rows = {
    length: 2,
    keys: ['a', 'b'],
    keyOf: Uint16Array.of(0, 1),
    position: Float64Array.of(7, 7),
    time: Float64Array.of(100, 200),
    tie: new Float64Array(2),
    columns,
  }
  const source = { topic: 'orders', partition: 3, incarnation: 'i' }
  const letters = [0, 1].map((row) => lateLetter('load', source, rows, row, ['f'], 5_000))
  expect(letters.map(({ name, record }) => [name, record.position, record.timestamp, String(record.key)])).toEqual([
    ['late/7.0/a', 7, 100, 'a'],
    ['late/7.1/b', 7, 200, 'b'],
  ])
  expect(letters.map(({ record }) => JSON.parse(String(record.value)))).toEqual([
    { key: 'a', time: 100, features: ['f'], values: { flag: false, number: 1.5, text: 'x' } },
    { key: 'b', time: 200, features: ['f'], values: { flag: true, number: null, text: null } },
  ])
  expect(letters[0]?.error).toMatchObject({ code: 'late', message: 'the clock stood at 5000, closed for f' })
})
