/** Rows one by one, where code of one's own has failed. The code here is given as functions, so that each way of failing can be tried. */
import { describe, expect, it } from 'vitest'
import { ClearStop } from '../../src/core/errors.ts'
import type { Reducer } from '../../src/core/model.ts'
import { type CarefulWork, computeCarefully, type Image } from '../../src/engine/careful.ts'
import { OwnCalls } from '../../src/engine/own-code.ts'
import type { NewRows } from '../../src/engine/rows-by-key.ts'

interface Counts {
  main: number
  readonly parts: Map<string, number>
  readonly changed: Set<string>
  stored: string[]
}

/** Adds up values in all, and by part: 1 to 9 belong to part 0, 10 to 19 to part 1. Negative values fail. */
const counting = (evaluate: () => void = () => undefined): Reducer<Counts> => ({
  slots: [],
  create: () => ({ main: 0, parts: new Map(), changed: new Set(), stored: [] }),
  apply: (rows) => (state, row) => {
    const value = (rows.columns.get('value') as Float64Array)[row] as number
    state.main += value
    if (value < 0) throw new TypeError('below nothing')
    const part = String(Math.floor(value / 10))
    state.parts.set(part, (state.parts.get(part) ?? 0) + value)
    state.changed.add(part)
  },
  newest: () => 5,
  expire: () => undefined,
  nextDue: () => Number.POSITIVE_INFINITY,
  isSpent: () => false,
  evaluate: ({ main, parts }) => {
    evaluate()
    return [main, [...parts.values()]]
  },
  encode: ({ main, parts, changed }) => {
    const segments = [...changed].map((name) => [name, Buffer.from(String(parts.get(name)))] as const)
    changed.clear()
    return { main: Buffer.from(JSON.stringify([main, [...parts.keys()]])), segments }
  },
  decode: (bytes) => {
    const [main, stored] = JSON.parse(String(Buffer.from(bytes)))
    return { main, parts: new Map(), changed: new Set(), stored }
  },
  isWhole: () => false,
  missing: ({ stored, parts }) => stored.filter((name) => !parts.has(name)),
  attach: ({ parts }, name, bytes) => void parts.set(name, Number(String(Buffer.from(bytes)))),
})

const known = (main: number, parts: Readonly<Record<string, number>>): Image => ({
  main: Buffer.from(JSON.stringify([main, Object.keys(parts)])),
  segments: new Map(Object.entries(parts).map(([name, sum]) => [name, Buffer.from(String(sum))])),
})
const unknown: Image = { main: undefined, segments: new Map() }

function frameOf(...values: readonly number[]): NewRows {
  const zeros = () => new Float64Array(values.length)
  const rows = {
    length: values.length,
    keys: ['a'],
    keyOf: new Uint16Array(values.length),
    time: zeros(),
    tie: zeros(),
  }
  const columns = new Map([['value', Float64Array.from(values)]])
  const position = Float64Array.from(values.keys())
  return {
    source: { topic: 'orders', partition: 0, incarnation: 'i' },
    from: 0,
    clock: 0,
    rows: { ...rows, position, columns },
  }
}

interface Tried {
  readonly frames?: readonly NewRows[]
  readonly image?: Image
  readonly reducer?: Reducer<Counts>
  readonly stops?: boolean
  readonly due?: readonly string[]
  /** How long a row takes. */
  readonly takes?: number
}

/** `rests`: how often others had their turn. */
async function tried({
  frames = [],
  image = unknown,
  reducer = counting(),
  stops = false,
  due = [],
  takes = 0,
}: Tried) {
  let now = 0
  let rests = 0
  const clock = {
    now: () => 0,
    monotonic: () => {
      now += takes / 2
      return now
    },
    wait: async () => {
      rests++
    },
  }
  const calls = new OwnCalls({ timeout: 10_000, stops }, 'reduce/a@1/0', clock)
  const images = new Map([['a', image]])
  const work: CarefulWork = { topology: 'a', frames, images, due: new Set(due), each: false, clock: 7 }
  const { computed, states } = await computeCarefully(() => reducer, calls, work)
  const bytes = [...computed.bytes].map(([name, part]) => [name.replace('\0', ' '), part && String(Buffer.from(part))])
  const letters = computed.letters.map(({ name, record, error }) => [
    name,
    record.value && String(record.value),
    error.code,
  ])
  return { rests, states, bytes: Object.fromEntries(bytes), letters, emissions: computed.emissions, computed }
}

describe('rows taken one by one', () => {
  it('that fail leave no trace, and those around them count', async () => {
    const { bytes, letters, emissions } = await tried({
      frames: [frameOf(1, -1, 12), frameOf(2)],
      image: known(15, { 0: 5, 1: 10 }),
    })
    expect(emissions).toEqual([{ key: 'a', at: 7, values: [30, [8, 22]], cause: 'p0' }])
    expect(bytes).toEqual({ a: '[30,["0","1"]]', 'a 0': '8', 'a 1': '22' })
    expect(letters).toEqual([['part/1.0/a', '{"key":"a","time":0,"values":{"value":-1}}', 'part-failed']])
  })

  it('write only those parts of a key that they have changed', async () => {
    const { bytes } = await tried({ frames: [frameOf(-1, 12)], image: known(15, { 0: 5, 1: 10 }) })
    expect(bytes).toEqual({ a: '[27,["0","1"]]', 'a 1': '22' })
  })

  it('stop the task at the first that fails, where it is declared so', async () => {
    const failing = tried({ frames: [frameOf(1, -1)], stops: true })
    await expect(failing).rejects.toThrow(ClearStop)
    await expect(failing).rejects.toThrow('orders/0@1')
  })

  it('give others their turn now and then, not after each row', async () => {
    const frames = [frameOf(...Array.from({ length: 9 }, () => 1))]
    expect((await tried({ frames })).rests).toBe(0)
    const { rests } = await tried({ frames, takes: 8 })
    expect(rests).toBeGreaterThan(0)
    expect(rests).toBeLessThan(9)
  })
})

describe('a key that cannot be evaluated, though no row is to blame', () => {
  const failing = () =>
    counting(() => {
      throw new RangeError('never')
    })

  it('begins anew, and what it remembered is a dead letter', async () => {
    const { bytes, letters, emissions, computed } = await tried({
      reducer: failing(),
      due: ['a'],
      image: known(15, { 0: 5, 1: 10 }),
    })
    expect(bytes).toEqual({ a: null, 'a 0': null, 'a 1': null })
    expect([...computed.timers]).toEqual([['a', Number.POSITIVE_INFINITY]])
    expect(computed.spent).toEqual(['a'])
    expect(emissions).toEqual([{ key: 'a', at: 7, values: null, cause: 't7' }])
    expect(letters).toEqual([['key/a@7', '[15,["0","1"]]', 'part-failed']])
  })

  it('has a dead letter without a value, where it remembered nothing before', async () => {
    let calls = 0
    const changeable = counting(() => {
      if (++calls > 1) throw new RangeError('another time it could')
    })
    const { bytes, letters } = await tried({ reducer: changeable, frames: [frameOf(1)] })
    expect(bytes).toEqual({ a: null, 'a 0': null })
    expect(letters).toEqual([['key/a@7', null, 'part-failed']])
  })

  it('is left alone where nothing is asked of it', async () => {
    const { bytes, emissions } = await tried({ reducer: failing(), image: known(5, { 0: 5 }) })
    expect([bytes, emissions]).toEqual([{}, []])
  })
})
