import { describe, expect, it } from 'vitest'
import { ClearStop, RecordError } from '../../src/core/errors.ts'
import { hash53 } from '../../src/core/key.ts'
import type { Event, FeatureFlow, InputRecord, Millis, RowPlan } from '../../src/core/model.ts'
import type { DeadLetter } from '../../src/engine/dead-letters.ts'
import type { Slice } from '../../src/engine/inbox.ts'
import { RecordMapper } from '../../src/engine/mapper.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { MAX_PARTITIONS, MAX_TOPICS, tieOf } from '../../src/engine/rows.ts'
import type { TaskContext } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { SETTINGS } from './settings.ts'

const EVENTS = { topic: 'events', partition: 3, incarnation: 'a' }
/** Event time and timestamp alike, if nothing else is said. */
type Given = Partial<InputRecord> & { readonly event?: Event | RecordError }

function start({
  plan = {},
  named = false,
  source = EVENTS,
  topics = ['others', 'events'],
}: {
  readonly plan?: Partial<RowPlan>
  readonly named?: boolean
  readonly source?: typeof EVENTS
  readonly topics?: readonly string[]
} = {}) {
  const whole = {
    where: () => true,
    key: (event: Event) => event.key,
    time: (event: Event) => event.at,
    id: undefined,
    columns: [],
    ...plan,
  }
  const flow = {
    name: 'load',
    sources: topics.map((topic) => ({ topic, plan: whole, named })),
  } as unknown as FeatureFlow
  const metrics = createMetrics()
  const clock = new VirtualClock()
  const context = { metrics, clock, settings: SETTINGS } as unknown as TaskContext
  const mapper = new RecordMapper(flow, source, context, { latestWall: () => clock.now() })
  const rows: { key: string; position: number; time: Millis; tie: number; highest: Millis }[] = []
  const dead: DeadLetter[] = []
  const take = (given: readonly Given[], from = 0, to = given.length) => {
    const records = given.map((each, i) => ({
      position: i,
      timestamp: 0,
      key: null,
      value: Buffer.of(1),
      headers: {},
      ...each,
    }))
    const batch = { records, event: (i: number) => ({ key: 'a', at: records[i]?.timestamp, ...records[i]?.event }) }
    const failing = {
      ...batch,
      event: (i: number) => (given[i]?.event instanceof RecordError ? given[i]?.event : batch.event(i)),
    }
    return mapper.map(
      { batch: failing, from, to, next: to } as unknown as Slice,
      (key, position, time, tie, _event, highest) => rows.push({ key, position, time, tie, highest }),
      dead,
    )
  }
  const counted = async () => ({
    in: (await metrics.recordsIn.get()).values.map(({ labels, value }) => [labels, value]),
    skipped: (await metrics.rowsSkipped.get()).values.map(({ labels: { reason }, value }) => [reason, value]),
  })
  return { mapper, clock, rows, dead, take, counted }
}

describe('of a slice of records', () => {
  it('those in it become rows, with the event time that the source has reached by then', () => {
    const { rows, take, mapper } = start()
    take([{ timestamp: 9 }, { timestamp: 5 }, { timestamp: 7 }, { timestamp: 6 }, { timestamp: 99 }], 1, 4)
    expect(rows.map(({ position, time, highest }) => [position, time, highest])).toEqual([
      [1, 5, 5],
      [2, 7, 7],
      [3, 6, 7],
    ])
    expect(mapper.highest).toBe(7)
  })

  it('the newest timestamp is answered, wherever it stands, and none of no records', () => {
    const { take } = start()
    expect(take([{ timestamp: 5 }, { timestamp: 9 }, { timestamp: 7 }])).toBe(9)
    expect(take([{ timestamp: 9 }, { timestamp: 5 }])).toBe(9)
    expect(take([])).toBeNaN()
  })

  it('what is not wanted moves the time of the source all the same, what is dead does not', () => {
    const { rows, dead, take, mapper } = start({ plan: { where: (event) => event.key !== 'no' } })
    take([
      { timestamp: 8, event: { key: 'no' } },
      { timestamp: 9, event: new RecordError('record-malformed', 'no') },
    ])
    expect([rows, dead.length, mapper.highest]).toEqual([[], 1, 8])
  })

  it('one whose time lies ahead of its timestamp by more than the skew is dead, and says by how much', () => {
    const { rows, dead, take, mapper } = start()
    const { skew } = SETTINGS
    take([
      { timestamp: 10, event: { at: 10 + skew } },
      { timestamp: 10, event: { at: 11 + skew } },
    ])
    expect(rows.map(({ position }) => position)).toEqual([0])
    expect(dead.map(({ error }) => [error.code, error.message])).toEqual([
      ['time-in-future', `event time ${11 + skew} is ${1 + skew} ms after the record's timestamp`],
    ])
    expect(mapper.highest).toBe(10 + skew)
  })

  it.each([null, Number.NaN, Number.POSITIVE_INFINITY])('one whose time is %s is dead', (at) => {
    const { rows, dead, take } = start()
    take([{ event: { at } }])
    expect([rows.length, dead.map(({ error }) => error.code)]).toEqual([0, ['time-missing']])
  })

  it('one whose expression fails is dead, with the error as its cause', () => {
    const why = new TypeError('no such store')
    const key = () => {
      throw why
    }
    const { dead, take } = start({ plan: { key } })
    take([{}])
    expect(dead).toMatchObject([{ topology: 'load', source: EVENTS, error: { code: 'expression-failed', cause: why } }])
  })

  it('ties are broken by the id where there is one, else by topic, partition and position', () => {
    const { rows, take } = start({ plan: { id: (event) => event.id as string } })
    take([{ event: { id: 'x' } }, { position: 7, event: { id: 5 } }])
    expect(rows.map(({ tie }) => tie)).toEqual([hash53('x'), tieOf(1, 3, 7)])
  })

  it('all are counted, and those that change nothing by the reason', async () => {
    const { take, counted } = start({
      named: true,
      plan: { where: (event) => event.key !== 'no', key: (event) => (event.key === 'nobody' ? null : 'a') },
    })
    const headers = { 'millrace-id': Buffer.from('split/source#a/0/5/0') }
    take(
      [
        {},
        { headers },
        { headers },
        { headers },
        { value: null },
        { event: { key: 'no' } },
        { event: { key: 'nobody' } },
      ],
      1,
    )
    expect(await counted()).toEqual({
      in: [[{ topology: 'load', topic: 'events' }, 6]],
      skipped: [
        ['filtered', 1],
        ['no_key', 1],
        ['tombstone', 1],
        ['repeated', 2],
      ],
    })
  })

  it('nothing is skipped where all become rows, names or not', async () => {
    const { rows, take, counted } = start()
    const headers = { 'millrace-id': Buffer.from('split/source#a/0/5/0') }
    take([{ headers }, { headers }])
    expect([rows.length, (await counted()).skipped]).toEqual([2, []])
  })
})

describe('the time of a source in silence', () => {
  it('is its highest event time and what has passed since that was met, never less', () => {
    const { mapper, clock, take } = start()
    const met = clock.now()
    expect(mapper.paced(met)).toBeNaN()
    take([{ timestamp: 700 }])
    expect([-1, 0, 500].map((passed) => mapper.paced(met + passed))).toEqual([700, 700, 1_200])
    clock.move(1_000)
    take([{ timestamp: 700 }, { timestamp: 600 }])
    expect(mapper.paced(met + 500)).toBe(1_200)
    take([{ timestamp: 701 }])
    expect(mapper.paced(met + 1_500)).toBe(1_201)
  })
})

describe('a topology', () => {
  it('reads so many partitions and topics, and stops clearly at one more', () => {
    const topics = Array.from({ length: MAX_TOPICS }, (_, i) => `t${i}`)
    const opens = (partition: number, topic: string, all: readonly string[]) => () =>
      start({ source: { topic, partition, incarnation: 'a' }, topics: all })
    expect(opens(MAX_PARTITIONS - 1, `t${MAX_TOPICS - 1}`, topics)).not.toThrow()
    expect(opens(MAX_PARTITIONS, 't0', topics)).toThrow(ClearStop)
    expect(opens(0, 'last', [...topics, 'last'])).toThrow('a topology reads at most 8 topics of 1024 partitions')
  })
})
