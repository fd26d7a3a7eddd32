import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { nameOf } from '../../../src/core/partition.ts'
import { type Codes, CROWDED, Gatherer, type Parcel } from '../../../src/transports/kafka/gatherer.ts'
import { boundOf, RecordBatch } from '../../../src/transports/kafka/record-batch.ts'

function parcel(partition: number, text: string, bytes = 0): Parcel {
  const batch = new RecordBatch()
  const content = { key: '.'.repeat(bytes), value: Buffer.from(text) }
  batch.add(content, boundOf(content), 0)
  return { topic: 't', partition, batch }
}

/** A broker that answers when it is told to; what it was sent, as texts by partition. */
function broker() {
  const requests: { sent: Record<string, string[]>; answer: PromiseWithResolvers<Codes> }[] = []
  const gatherer = new Gatherer((parcels) => {
    const answer = Promise.withResolvers<Codes>()
    const texts = ({ batch }: Parcel) =>
      [
        ...batch
          .bytes()
          .subarray(61)
          .toString('latin1')
          .matchAll(/[a-z]+/g),
      ].map(String)
    requests.push({ sent: Object.fromEntries(parcels.map((one) => [nameOf(one), texts(one)])), answer })
    return answer.promise
  })
  const answer = (codes: Record<string, number>) => requests.at(-1)?.answer.resolve(new Map(Object.entries(codes)))
  return { gatherer, requests, answer }
}

test('what is written in one turn goes out in one request, and to one partition in one batch, in the order of calls', async () => {
  const { gatherer, requests, answer } = broker()
  const first = gatherer.produce([parcel(0, 'a'), parcel(1, 'b')])
  const second = gatherer.produce([parcel(1, 'c')])
  await nextTurn()
  expect(requests.map(({ sent }) => sent)).toEqual([{ 't/0': ['a'], 't/1': ['b', 'c'] }])
  answer({ 't/0': 0, 't/1': 3 })
  expect([await first, await second]).toEqual([new Map(Object.entries({ 't/0': 0, 't/1': 3 })), new Map([['t/1', 3]])])
})

test('what comes while a request is under way goes out together after it', async () => {
  const { gatherer, requests, answer } = broker()
  const first = gatherer.produce([parcel(0, 'a')])
  await nextTurn()
  const later = [gatherer.produce([parcel(0, 'b')])]
  await nextTurn()
  later.push(gatherer.produce([parcel(1, 'c')]))
  await nextTurn()
  expect(requests).toHaveLength(1)
  answer({ 't/0': 0 })
  await first
  await nextTurn()
  expect(requests[1]?.sent).toEqual({ 't/0': ['b'], 't/1': ['c'] })
  answer({ 't/0': 0, 't/1': 0 })
  await Promise.all(later)
})

test('who writes much waits for no request, and shares none', async () => {
  const { gatherer, requests } = broker()
  void gatherer.produce([parcel(0, 'a')])
  await nextTurn()
  void gatherer.produce([parcel(0, 'large', 1 << 20)])
  void gatherer.produce([parcel(0, 'b')])
  await nextTurn()
  expect(requests.map(({ sent }) => sent)).toEqual([{ 't/0': ['a'] }, { 't/0': ['large'] }])
})

test('a request that fails fails for all of whom it was, and the next goes out', async () => {
  const { gatherer, requests, answer } = broker()
  const calls = [gatherer.produce([parcel(0, 'a')]), gatherer.produce([parcel(1, 'b')])]
  await nextTurn()
  const last = gatherer.produce([parcel(2, 'c')])
  requests[0]?.answer.reject(new Error('the line broke'))
  for (const call of calls) await expect(call).rejects.toThrow('the line broke')
  await nextTurn()
  answer({ 't/2': 0 })
  expect(await last).toEqual(new Map([['t/2', 0]]))
})

test('a batch that is too large only with what others wrote is asked for again, and its topic takes no such batches any more', async () => {
  const { gatherer, requests, answer } = broker()
  const write = () => [
    gatherer.produce([parcel(0, 'a'), parcel(1, 'x')]),
    gatherer.produce([parcel(0, 'b')]),
    gatherer.produce([parcel(2, 'c')]),
  ]
  const calls = write()
  await nextTurn()
  answer({ 't/0': 10, 't/1': 10, 't/2': 0 })
  expect(await Promise.all(calls)).toEqual([
    new Map([
      ['t/0', CROWDED],
      ['t/1', 10],
    ]),
    new Map([['t/0', CROWDED]]),
    new Map([['t/2', 0]]),
  ])
  await nextTurn()
  void write()
  await nextTurn()
  expect(requests.at(-1)?.sent).toEqual({ 't/0': ['a'], 't/1': ['x'] })
  answer({})
  await nextTurn()
  await nextTurn()
  expect(requests.at(-1)?.sent).toEqual({ 't/0': ['b'], 't/2': ['c'] })
})
