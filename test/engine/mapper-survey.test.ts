/** A mapper that reads with others looks only at what its filter may take, and makes the same of it as one that looks at all. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RecordError } from '../../src/core/errors.ts'
import type { Event, FeatureFlow, InputRecord, RowPlan } from '../../src/core/model.ts'
import type { DeadLetter } from '../../src/engine/dead-letters.ts'
import { RecordMapper } from '../../src/engine/mapper.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { share } from '../../src/engine/shared-batch.ts'
import type { TaskContext } from '../../src/engine/task.ts'
import { SETTINGS } from './settings.ts'

const SOURCE = { topic: 'events', partition: 0, incarnation: 'a' }

function where({ city }: Event): boolean {
  if (city === 'broken') throw new TypeError('no such city')
  return city === 'A' || city === null
}

/** What comes of the records, in two slices; `keep`: others read them, too. `asked`: how often the filter was. */
async function mapped(records: readonly InputRecord[], events: readonly (Event | RecordError)[], keep: boolean) {
  let asked = 0
  const plan: RowPlan = {
    where: (event) => {
      asked++
      return where(event)
    },
    whereReads: ['city'],
    key: (event) => event.key as string | null,
    time: (event) => event.at as number | null,
    id: undefined,
    columns: [],
  }
  const flow = { name: 'load', sources: [{ topic: 'events', plan }] } as unknown as FeatureFlow
  const metrics = createMetrics()
  const context = { metrics, settings: SETTINGS } as unknown as TaskContext
  const mapper = new RecordMapper(flow, SOURCE, context, { latestWall: () => 1 })
  const record = ({ position }: InputRecord) => {
    const event = events[position] as Event | RecordError
    if (event instanceof RecordError) throw event
    return event
  }
  const decoder = { prepare: async () => undefined, record }
  const batch = share({ ...SOURCE, records, next: records.length, end: records.length }, () => decoder, keep, keep)
  await batch.ready()
  const rows: unknown[] = []
  const dead: DeadLetter[] = []
  const half = records.length >> 1
  const stamps = [
    [0, half],
    [half, records.length],
  ].map(([from = 0, to = 0]) =>
    mapper.map(
      { batch, from, to, next: to },
      (...[key, position, time, tie, , highest]) => rows.push([key, position, time, tie, highest]),
      dead,
    ),
  )
  const letters = dead.map(({ record: { position }, error }) => [position, error.code, error.message])
  const skipped = (await metrics.rowsSkipped.get()).values.map(({ labels: { reason }, value }) => [reason, value])
  return {
    asked,
    made: { rows, letters, stamps, highest: mapper.highest, skipped: new Map(skipped as [string, number][]) },
  }
}

const recordsOf = (given: readonly { readonly stamp: number; readonly isTombstone: boolean }[]) =>
  given.map(
    ({ stamp, isTombstone }, position): InputRecord => ({
      position,
      timestamp: stamp,
      key: null,
      value: isTombstone ? null : Buffer.of(1),
      headers: {},
    }),
  )

it('whatever the records are', async () => {
  const one = fc.record({
    stamp: fc.integer({ min: 0, max: 30_000 }),
    isTombstone: fc.boolean(),
    event: fc.oneof(
      {
        weight: 9,
        arbitrary: fc.record({
          at: fc.option(fc.integer({ min: 0, max: 30_000 }), { freq: 9 }),
          city: fc.constantFrom('A', 'B', 'C', 'broken', null, undefined),
          key: fc.constantFrom('x', 'y', null),
        }),
      },
      { weight: 1, arbitrary: fc.constant(new RecordError('record-malformed', 'no')) },
    ),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(one, { maxLength: 100 }), async (given) => {
      const records = recordsOf(given)
      const events = given.map(({ event }) => event)
      expect((await mapped(records, events, true)).made).toEqual((await mapped(records, events, false)).made)
    }),
  )
})

it('it asks the filter once for each value and slice, and again for what it takes', async () => {
  const events = Array.from({ length: 80 }, (_, i) => ({ at: i, key: 'x', city: ['A', 'B', 'C', 'D'][i % 4] }))
  const records = recordsOf(events.map(({ at }) => ({ stamp: at, isTombstone: false })))
  expect((await mapped(records, events, false)).asked).toBe(80)
  expect((await mapped(records, events, true)).asked).toBe(2 * 4 + 20)
})
