/** Inputs that fuzzing found something with, as small as they come. */
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import type { FeatureSpec, Reducer } from '../../src/core/model.ts'
import { Sources } from '../../src/engine/sources.ts'
import { featureReducer } from '../../src/features/reducer.ts'
import { aggregationNamed, declared } from '../aggregations/declared.ts'
import { within } from './allocations.ts'

type Put = (to: ByteWriter) => void

function written(put: Put): Buffer {
  const to = new ByteWriter()
  put(to)
  return to.take()
}

async function reducerOf(
  kind: string,
  settings: object,
  as: string,
  more: Partial<FeatureSpec> & { of?: object } = {},
) {
  const { values = 'number', of = {} } = more
  const spec = await declared('f', kind, settings, as, { of: 'v' }, { values, of })
  return featureReducer((await aggregationNamed(kind)).slots([spec]), ['f'], [null])([]) as Reducer<unknown>
}

/** The state of a key whose one slot has these bytes. */
const keyOf = (put: Put, newest = 1_000) =>
  written((to) => {
    to.byte(1)
    to.double(newest)
    to.varint(0)
    to.block(written(put))
    to.varint(0)
  })

/** A column of equal numbers takes nine bytes, however many they are. */
const equal =
  (value: number): Put =>
  (to) => {
    to.byte(0)
    to.double(value)
  }

describe('the state of a key is refused', () => {
  it.each<[string, string, object, string, Put]>([
    [
      'a window of 40 million events in 12 bytes, which had room made for all of them',
      'window',
      { window: '1h' },
      'sum',
      (to) => {
        to.byte(0)
        to.varint(40_000_000)
        equal(1)(to)
        equal(1)(to)
      },
    ],
    [
      'the newest 40 million events in as few',
      'last',
      { last: 3 },
      'sum',
      (to) => {
        to.varint(40_000_000)
        for (const value of [1, 1, 1]) equal(value)(to)
      },
    ],
    [
      'a window with 30 million segments, which had room made for their names',
      'window',
      { window: '1h' },
      'sum',
      (to) => {
        to.byte(1)
        to.varint(0)
        to.varint(30_000_000)
      },
    ],
    [
      'a window whose events are at no time, so that it was due at none either',
      'window',
      { window: '1h' },
      'sum',
      (to) => {
        to.byte(0)
        to.varint(2)
        equal(Number.NaN)(to)
        equal(1)(to)
      },
    ],
    [
      'an event whose value is NaN',
      'last',
      { last: 3 },
      'sum',
      (to) => {
        to.varint(1)
        for (const value of [1, 1, Number.NaN]) equal(value)(to)
      },
    ],
    [
      'a tumbling window between two, which was due again and again at one time',
      'tumbling',
      { tumbling: '10m' },
      'sum',
      (to) => {
        to.double(7.5)
        to.varint(0)
      },
    ],
    [
      'stretches of time out of their order',
      'window',
      { window: '1h', resolution: '1m' },
      'sum',
      (to) => {
        to.varint(2)
        for (const name of [2, 1]) to.double(name)
      },
    ],
    [
      'more times than can be counted exactly, which could not be read again after the next',
      'lifetime',
      { lifetime: true },
      'count',
      (to) => {
        to.byte(1)
        to.bytes(Buffer.from('ffffffffffffff7f', 'hex'))
      },
    ],
  ])('%s', async (_, kind, settings, as, put) => {
    const reducer = await reducerOf(kind, settings, as)
    expect(() => within(100_000, () => reducer.decode(keyOf(put)))).toThrow(RangeError)
  })

  it('a step of a spectrum so far ahead that the way to it had no end', async () => {
    const reducer = await reducerOf('lifetime', { lifetime: true }, 'spectral', { of: { spectral: '1s', points: 8 } })
    const steps = (numbers: readonly number[]) =>
      keyOf((to) => {
        to.byte(1)
        to.varint(numbers.length)
        for (const number of numbers) {
          to.double(number)
          to.varint(1)
          for (const sum of [1, 0]) to.double(sum)
        }
      })
    expect(() => reducer.decode(steps([1, 2, 3]))).not.toThrow()
    for (const numbers of [
      [5, 1e17, 6],
      [5, 1e17],
      [5, Number.NaN],
      [5, 4],
    ])
      expect(() => reducer.decode(steps(numbers)), String(numbers)).toThrow(RangeError)
  })

  it('a number where texts are kept, and a text where numbers are', async () => {
    const single =
      (tag: number): Put =>
      (to) => {
        to.byte(1)
        to.byte(1)
        for (const place of [1, 1]) to.double(place)
        to.byte(tag)
        to.double(4e-322) // as a text, its length is 81
      }
    const texts = await reducerOf('lifetime', { lifetime: true }, 'first', { values: 'text' })
    const numbers = await reducerOf('lifetime', { lifetime: true }, 'first')
    expect(() => numbers.decode(keyOf(single(0)))).not.toThrow()
    expect(() => texts.decode(keyOf(single(0)))).toThrow(RangeError)
    expect(() => numbers.decode(keyOf(single(1)))).toThrow(RangeError)
    expect(() => numbers.decode(keyOf(single(2)))).toThrow(RangeError)
  })

  it('a newest event at no time, which was never forgotten', async () => {
    const reducer = await reducerOf('lifetime', { lifetime: true }, 'count')
    expect(() => reducer.decode(keyOf((to) => to.byte(0), Number.NaN))).toThrow(RangeError)
  })
})

it('a clock that stands at no time is refused: nothing would ever move it on', () => {
  const meta = written((to) => {
    to.double(Number.NaN)
    to.varint(0)
    to.varint(0)
  })
  expect(() => new Sources(['orders']).decode(new ByteReader(meta))).toThrow(RangeError)
})
