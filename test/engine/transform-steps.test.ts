/** What a transform does in one step, over batches that are given by hand. */
import { describe, expect, it } from 'vitest'
import { MillraceError, RecordError } from '../../src/core/errors.ts'
import type { Draft, Event, InputRecord, Made, TransformFlow } from '../../src/core/model.ts'
import type { DeadLetter } from '../../src/engine/dead-letters.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import type { Patience, TaskContext } from '../../src/engine/task.ts'
import { TransformTask } from '../../src/engine/transform.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { ALONE, SETTINGS } from './settings.ts'

const patiently: Patience = (_, call) => call()
/** What is made of a record, text by text; null: a record without a value; an error: it cannot be decoded. */
type Given = readonly string[] | null | RecordError

interface Options {
  readonly flow?: Partial<TransformFlow>
  readonly named?: boolean
  /** Called for each record that something is made of. */
  readonly making?: (texts: readonly string[]) => void
}

async function start({ flow: changes = {}, named = false, making }: Options = {}) {
  const clock = new VirtualClock()
  const metrics = createMetrics()
  const wrote: (readonly Draft[])[] = []
  const letters: (readonly DeadLetter[])[] = []
  const asked: (readonly string[])[] = []
  const log = { incarnation: 'a', start: 0, end: 0, takes: 0, most: 5 << 20 }
  const make = (event: Event): Made[] => {
    const texts = event.texts as readonly string[]
    making?.(texts)
    return texts.map((text, index) => ({ topic: 'made', index, key: null, value: Buffer.from(text) }))
  }
  const flow = {
    name: 'split',
    generation: 'once',
    definition: 'd1',
    declaredAt: 1,
    start: 'earliest',
    tables: [],
    writes: ['made'],
    sources: [{ topic: 'source', named, make }],
    ...changes,
  } as unknown as TransformFlow
  const context = {
    clock,
    metrics,
    state: new MemoryState(() => clock.now()),
    settings: { ...SETTINGS, maxRecords: 100_000 },
    load: ALONE,
    deadLetters: {
      write: async (given: readonly DeadLetter[]) => {
        if (given.length > 0) letters.push(given)
      },
    },
    tables: { ready: async (topics: readonly string[]) => void asked.push(topics), lookup: () => null },
    transport: {
      topics: async () =>
        new Map([
          ['source', { partitions: 3, incarnation: log.incarnation }],
          ['made', { partitions: 2, incarnation: 'm' }],
        ]),
      ranges: async () => [0, 1, 2].map(() => ({ start: log.start, end: log.end })),
      write: async (drafts: readonly Draft[]) => {
        clock.move(log.takes)
        if (drafts.some(({ value }) => (value?.length ?? 0) > log.most))
          throw new MillraceError('record-too-large', 'too large')
        wrote.push(drafts)
      },
    },
    wasLost: async () => false,
  } as unknown as TaskContext
  const task = new TransformTask(flow, 'source', 1, context)
  task.inbox.reset(await task.open(patiently))
  const offer = (
    given: readonly Given[],
    headers: readonly (string | undefined)[] = [],
    of = task,
    ready: () => Promise<void> = async () => undefined,
  ) => {
    const from = of.inbox.want
    const records = given.map((each, i): InputRecord => {
      const name = headers[i]
      return {
        position: from + i,
        timestamp: 7,
        key: null,
        value: each === null ? null : Buffer.of(1),
        headers: name === undefined ? {} : { 'millrace-id': Buffer.from(name) },
      }
    })
    const next = from + given.length
    log.end = Math.max(log.end, next)
    const event = (i: number) => (given[i] instanceof RecordError ? (given[i] as RecordError) : { texts: given[i] })
    of.inbox.offer({ topic: 'source', partition: 1, records, next, end: next, ready, event })
  }
  const step = async (given: readonly Given[], headers: readonly (string | undefined)[] = [], of = task) => {
    offer(given, headers, of)
    await of.step()
    return wrote.splice(0)
  }
  const counted = async (name: 'recordsIn' | 'recordsOut' | 'rowsSkipped') =>
    (await metrics[name].get()).values.map(({ labels, value }) => [labels, value])
  const sum = async (name: 'batchRecords' | 'batchSeconds') =>
    (await metrics[name].get()).values.flatMap(({ metricName, labels, value }) =>
      metricName?.endsWith('_sum') ? [[labels, value]] : [],
    )
  return { clock, task, flow, context, offer, step, letters, asked, log, counted, sum }
}

const texts = (drafts: readonly Draft[]) => drafts.map(({ value }) => String(value))

describe('a step of a transform', () => {
  it('appends what is made of each record under a name of its own, to one partition where there is no key', async () => {
    const { step, task } = await start()
    const [drafts] = await step([['a', 'b'], [], ['c']])
    const draft = (position: number, index: number, text: string) => ({
      topic: 'made',
      partition: 1,
      key: null,
      value: Buffer.from(text),
      timestamp: 7,
      headers: { 'millrace-id': `split/source#a/1/${position}/${index}` },
    })
    expect(drafts).toEqual([draft(0, 0, 'a'), draft(0, 1, 'b'), draft(2, 0, 'c')])
    expect(task.done).toBe(3)
    await task.settle()
    expect(task.position).toBe(3)
  })

  it('takes all that waits, up to so many records', async () => {
    const { offer, step, context, task } = await start()
    for (const text of ['a', 'b', 'c']) offer([[text], []])
    expect((await step([['d']])).map(texts)).toEqual([['a', 'b', 'c', 'd']])
    expect(task.done).toBe(7)
    Object.assign(context.settings, { maxRecords: 3 })
    for (const text of ['e', 'f', 'g']) offer([[text], []])
    expect((await step([['h']])).map(texts)).toEqual([['e', 'f']])
    expect(task.done).toBe(10)
  })

  it('does not wait for the schema of a later batch', async () => {
    const { offer, step, task } = await start()
    offer([['a']])
    offer([['b']], [], task, () => Promise.reject(new Error('no registry')))
    expect((await step([['c']])).map(texts)).toEqual([['a']])
    expect([task.done, task.inbox.waiting]).toEqual([1, 2])
  })

  it('counts what it read, what it skipped and why, what it wrote, and what it took', async () => {
    const { step, counted, sum, log } = await start({ named: true })
    log.takes = 250
    await step([['x']])
    const name = 'other/topic#a/0/5/0'
    await step([['a'], ['a'], ['a'], null, [], ['b', 'c']], [name, name, name])
    expect(await counted('recordsIn')).toEqual([[{ topology: 'split', topic: 'source' }, 7]])
    expect(await counted('rowsSkipped')).toEqual([
      [{ topology: 'split', reason: 'repeated' }, 2],
      [{ topology: 'split', reason: 'tombstone' }, 1],
      [{ topology: 'split', reason: 'filtered' }, 1],
    ])
    expect(await counted('recordsOut')).toEqual([[{ topology: 'split', to: 'made' }, 4]])
    const labels = { topology: 'split', role: 'transform' }
    expect([await sum('batchRecords'), await sum('batchSeconds')]).toEqual([[[labels, 7]], [[labels, 0.5]]])
  })

  it('writes in several goes what would be too much for one: so many records, or so many bytes', async () => {
    const { step } = await start()
    const many = (n: number) => Array<string>(n).fill('x')
    expect((await step([many(4_095), ['y'], ['z']])).map(({ length }) => length)).toEqual([4_096, 1])
    const large = (bytes: number) => ['x'.repeat(bytes)]
    expect((await step([large(4 << 20), ['y']])).map(({ length }) => length)).toEqual([1, 1])
    expect((await step([large((4 << 20) - 1), ['y'], ['z']])).map(({ length }) => length)).toEqual([2, 1])
  })

  it('goes on beside a record that cannot be decoded, and one of which something is made that no topic takes', async () => {
    const { step, letters, log, counted } = await start()
    log.most = 3
    expect(
      (await step([['a'], new RecordError('record-malformed', 'no'), ['four'], ['b']])).flatMap(texts).sort(),
    ).toEqual(['a', 'b'])
    expect(letters.flat().map(({ topology, record, error }) => [topology, record.position, error.code])).toEqual([
      ['split', 1, 'record-malformed'],
      ['split', 2, 'record-too-large'],
    ])
    expect(await counted('recordsOut')).toEqual([[{ topology: 'split', to: 'made' }, 2]])
    await step([['c']])
    expect(letters).toHaveLength(1)
  })

  it('waits for its tables, each once, where it has any', async () => {
    const tables = ['stores', 'couriers', 'stores'].map((topic) => ({ topic }))
    const { step, asked } = await start({ flow: { tables } as unknown as Partial<TransformFlow> })
    await step([['a']])
    expect(asked).toEqual([['stores', 'couriers']])
    const without = await start()
    await without.step([['a']])
    expect(without.asked).toEqual([])
  })
})

describe('code of one’s own in a transform', () => {
  const own = { timeout: 1_000, stops: false }

  it('is called for all at once; where it fails, for each, so that only what it fails on is left out', async () => {
    const made: string[] = []
    const making = (given: readonly string[]) => {
      made.push(given.join())
      if (given.includes('wrong')) throw new TypeError('no such store')
    }
    const { step, letters } = await start({ flow: { own }, making })
    expect((await step([['a'], null, ['b']])).flatMap(texts)).toEqual(['a', 'b'])
    expect(made.splice(0)).toEqual(['a', 'b'])
    expect(
      (await step([['a'], ['wrong'], new RecordError('record-malformed', 'no'), null, ['b']])).flatMap(texts),
    ).toEqual(['a', 'b'])
    expect(made).toEqual(['a', 'wrong', 'a', 'wrong', 'b'])
    expect(letters.flat().map(({ record, error }) => [record.position, error.code])).toEqual([
      [4, 'part-failed'],
      [5, 'record-malformed'],
    ])
  })
})

describe('a transform that opens again', () => {
  it('knows what it has met, and forgets what it had not written', async () => {
    const { step, task, flow, context } = await start({ named: true })
    const name = 'other/topic#a/0/5/0'
    await step([['a']], [name])
    await task.settle()
    const next = new TransformTask(flow, 'source', 1, context)
    next.inbox.reset(await next.open(patiently))
    expect(next.position).toBe(1)
    expect((await step([['a'], ['b']], [name, 'other/topic#a/0/6/0'], next)).flatMap(texts)).toEqual(['b'])
    // not committed: read again, and made again
    next.inbox.reset(await next.open(patiently))
    expect((await step([['a'], ['b']], [name, 'other/topic#a/0/6/0'], next)).flatMap(texts)).toEqual(['b'])
  })

  it('begins anew where its topic was made again, from its start on, and stays there', async () => {
    const { step, task, log } = await start({ named: true })
    const name = 'other/topic#a/0/5/0'
    await step([['a'], ['b'], ['c']], [name])
    await task.settle()
    Object.assign(log, { incarnation: 'b', start: 2, end: 2 })
    task.inbox.reset(await task.open(patiently))
    expect([task.position, task.done]).toEqual([2, 2])
    task.inbox.reset(await task.open(patiently))
    expect(task.position).toBe(2)
    const [drafts] = await step([['a']], [name])
    expect(drafts?.map(({ headers }) => headers?.['millrace-id'])).toEqual(['split/source#b/1/2/0'])
  })
})
