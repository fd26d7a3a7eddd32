import { expect, it } from 'vitest'
import { MillraceError, RecordError } from '../../src/core/errors.ts'
import type { Draft, InputRecord } from '../../src/core/model.ts'
import { type DeadLetter, DeadLetters } from '../../src/engine/dead-letters.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'

const letterOf = (record: Partial<InputRecord> = {}, more: Partial<DeadLetter> = {}): DeadLetter => ({
  topology: 'load',
  source: { topic: 'orders', partition: 2, incarnation: 'a' },
  record: { position: 5, timestamp: 9, key: Buffer.from('k'), value: Buffer.from('v'), headers: {}, ...record },
  error: new RecordError('record-malformed', 'not Avro'),
  ...more,
})

/** The log takes no value longer than `most`; `wrote` has the calls that it took. */
function start(most = 1_000) {
  const wrote: (readonly Draft[])[] = []
  const metrics = createMetrics()
  const write = async (drafts: readonly Draft[]) => {
    if (drafts.some(({ value }) => (value?.length ?? 0) > most))
      throw new MillraceError('record-too-large', 'too large')
    wrote.push(drafts)
  }
  const letters = new DeadLetters(Object.assign(new MemoryTransport(), { write }), metrics, 'dead')
  return { wrote, letters, counted: async () => (await metrics.deadLetters.get()).values }
}

it('a letter is the record as it came, with where from and why, by a name that is its own', async () => {
  const { wrote, letters, counted } = start()
  const trace = Buffer.from('trace')
  await letters.write([letterOf({ headers: { trace } }), letterOf({ key: null, value: null }, { name: 'late/5.0/k' })])
  const headers = {
    'millrace-id': 'load/orders#a/2/5',
    'millrace-topology': 'load',
    'millrace-source-topic': 'orders',
    'millrace-source-partition': '2',
    'millrace-source-position': '5',
    'millrace-error-code': 'record-malformed',
    'millrace-error-reason': 'not Avro',
  }
  const named = { ...headers, 'millrace-id': 'load/orders#a/2/late/5.0/k' }
  expect(wrote).toEqual([
    [
      { topic: 'dead', key: Buffer.from('k'), value: Buffer.from('v'), timestamp: 9, headers: { trace, ...headers } },
      { topic: 'dead', partition: 0, key: null, value: null, timestamp: 9, headers: named },
    ],
  ])
  expect(await counted()).toMatchObject([{ labels: { topology: 'load', code: 'record-malformed' }, value: 2 }])
})

it('a long reason is cut', async () => {
  const { wrote, letters } = start()
  await letters.write([letterOf({}, { error: new RecordError('record-malformed', 'x'.repeat(501)) })])
  expect(wrote[0]?.[0]?.headers?.['millrace-error-reason']).toBe('x'.repeat(500))
})

it('where there is no letter, or all were taken, nothing more is written', async () => {
  const { wrote, letters } = start()
  await letters.write([])
  expect(wrote).toEqual([])
  await letters.write([letterOf()])
  expect(wrote).toHaveLength(1)
})

it('one that the log never takes is there without value, headers and long key, and says so', async () => {
  const { wrote, letters, counted } = start()
  const value = Buffer.alloc(1_001)
  const headers = { trace: Buffer.from('trace') }
  await letters.write([
    letterOf(),
    letterOf({ position: 6, value, headers, key: Buffer.alloc(1_024) }),
    letterOf({ position: 7, value, key: Buffer.alloc(1_025) }),
  ])
  const lean = wrote.at(-1) as readonly Draft[]
  expect(
    lean.map(({ key, value, partition, headers }) => [
      key?.length,
      value,
      partition,
      headers?.['millrace-id'],
      headers?.trace,
    ]),
  ).toEqual([
    [1_024, null, undefined, 'load/orders#a/2/6', undefined],
    [undefined, null, 0, 'load/orders#a/2/7', undefined],
  ])
  for (const { headers } of lean)
    expect(headers?.['millrace-left-out']).toBe('value of 1001 bytes: the log takes no record so large')
  expect(await counted()).toMatchObject([{ value: 3 }])
})
