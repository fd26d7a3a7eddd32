/**
 * What every state store must hold to: the same suite runs on LMDB and on a real Redis. For a store of your own, call
 * `stateSuite` from a vitest file. Tasks get unique names, so that it may run on a store that others use.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fenced } from '../core/errors.ts'
import type { Millis, OpenState, State, StateChange } from '../core/model.ts'

/** A state store that is open, and what the suite may do to it. */
export interface StateUnderTest {
  readonly state: State
  /** Another worker's handle on the same data. Closed by the suite. */
  another(): Promise<State>
  /** Loses everything, as a store restored from an empty backup. Answers a handle on what is left, closed by `close`. */
  wipe(): Promise<State>
  /** Called once, after the last test. */
  close(): Promise<void>
}

/** What the suite of a state store needs. */
export interface StateSuite {
  readonly name: string
  /** Called once, before the first test. */
  open(): Promise<StateUnderTest>
}

const bytes = (text: string) => Buffer.from(text)
const text = (found: readonly (Uint8Array | undefined)[]) => found.map((one) => one && Buffer.from(one).toString())

function change(
  position: number,
  keys: Record<string, string | null> = {},
  timers: Record<string, Millis> = {},
): StateChange {
  const values = Object.entries(keys).map(([key, value]) => [key, value === null ? null : bytes(value)] as const)
  return { position, meta: bytes(`meta ${position}`), keys: new Map(values), timers: new Map(Object.entries(timers)) }
}

async function scanned(state: State, open: OpenState): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  for await (const page of state.scan(open)) {
    for (const [key, value] of page) all.set(key, Buffer.from(value).toString('latin1'))
  }
  return all
}

/** Keys that a careless encoding mixes up. */
const AWKWARD = [
  ...['a', 'a:b', 'a:b:c', ':', '', ' ', '\n', '\0', 'a\0', 'a\0b', '{a}', '}', '__proto__', 'constructor', '%3A'],
  ...['ß', 'ñandú', '東京', '🚲', 'e\u0301', '\u00e9', '\uffff'],
  ...['x'.repeat(1024), 'x'.repeat(1025), `${'x'.repeat(5000)}1`, `${'x'.repeat(5000)}2`, '🚲'.repeat(1500)],
]

/** Declares the suite; call it at the top of a vitest file. */
export function stateSuite(suite: StateSuite): void {
  describe(`state ${suite.name}`, () => {
    let under: StateUnderTest
    let state: State
    beforeAll(async () => {
      under = await suite.open()
      state = under.state
    })
    afterAll(() => under.close())
    const newTask = () => `reduce/suite@${randomUUID().slice(0, 8)}/3`

    describe('a claim', () => {
      it('starts with nothing', async () => {
        const open = await state.open(newTask())
        expect(open).toMatchObject({ commits: 0, position: undefined, nextDue: Number.POSITIVE_INFINITY })
        expect(open.meta).toHaveLength(0)
        expect(text(await state.read(open, ['a']))).toEqual([undefined])
        expect(await state.read(open, [])).toEqual([])
        expect(await state.due(open, Number.MAX_VALUE, 10)).toEqual([])
        expect(await scanned(state, open)).toEqual(new Map())
        await state.check(open)
      })

      it('has a timer once, however often it is said', async () => {
        const open = await state.open(newTask())
        for (const due of [50, 50, 60, 60]) await state.commit(open, change(1, { a: '1' }, { a: due }))
        expect(open.nextDue).toBe(60)
        expect(await state.due(open, 59, 10)).toEqual([])
        expect(await state.due(open, 60, 10)).toEqual(['a'])
        await state.commit(open, change(2, {}, { a: Number.POSITIVE_INFINITY, b: Number.POSITIVE_INFINITY }))
        expect(open.nextDue).toBe(Number.POSITIVE_INFINITY)
      })

      it('finds what was committed, through another handle', async () => {
        const task = newTask()
        const first = await state.open(task)
        await state.commit(first, change(7, { a: '1', b: '2' }, { a: 50 }))
        const other = await under.another()
        try {
          const open = await other.open(task)
          expect(open).toMatchObject({ task, commits: 1, position: 7, nextDue: 50 })
          expect(Buffer.from(open.meta).toString()).toBe('meta 7')
          expect(text(await other.read(open, ['b', 'none', 'a', 'b']))).toEqual(['2', undefined, '1', '2'])
        } finally {
          await other.close()
        }
      })

      it('has a higher epoch and another token than the one before', async () => {
        const task = newTask()
        const claims = []
        for (let i = 0; i < 5; i++) claims.push(await state.open(task))
        const epochs = claims.map(({ epoch }) => epoch)
        expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b))
        expect(epochs.every(Number.isSafeInteger)).toBe(true)
        expect(new Set(claims.map(({ token }) => token)).size).toBe(5)
      })

      it('has a higher epoch than any before even when the store lost everything, and refuses those', async () => {
        const own = await suite.open()
        try {
          const task = newTask()
          await own.state.open(task)
          const before = await own.state.open(task)
          await own.state.commit(before, change(1, { a: '1' }))
          while (Date.now() <= before.epoch) await sleep(1)
          const left = await own.wipe()
          await expect(left.read(before, ['a'])).rejects.toThrow(Fenced)
          await expect(left.commit(before, change(2))).rejects.toThrow(Fenced)
          const open = await left.open(task)
          expect(open.epoch).toBeGreaterThan(before.epoch)
          expect(open.position).toBeUndefined()
          await expect(left.commit(before, change(2))).rejects.toThrow(Fenced)
        } finally {
          await own.close()
        }
      })

      it('makes every older one useless, and what that one asks changes nothing', async () => {
        const task = newTask()
        const old = await state.open(task)
        await state.commit(old, change(1, { a: 'kept', b: 'kept' }, { a: 10 }))
        const open = await state.open(task)
        await expect(state.read(old, ['a'])).rejects.toThrow(Fenced)
        await expect(state.commit(old, change(2, { a: 'lost', b: null, c: 'lost' }, { a: 5, c: 1 }))).rejects.toThrow(
          Fenced,
        )
        await expect(state.due(old, 100, 10)).rejects.toThrow(Fenced)
        await expect(state.check(old)).rejects.toThrow(Fenced)
        await expect(scanned(state, old)).rejects.toThrow(Fenced)
        expect(old).toMatchObject({ commits: 1, position: 1, nextDue: 10 })
        await state.check(open)
        expect(text(await state.read(open, ['a', 'b', 'c']))).toEqual(['kept', 'kept', undefined])
        expect(await state.due(open, 100, 10)).toEqual(['a'])
        expect(await state.open(task)).toMatchObject({ commits: 1, position: 1, nextDue: 10 })
      })
    })

    describe('a commit', () => {
      it('is refused when somebody else committed under the same claim', async () => {
        const open = await state.open(newTask())
        const twin = { ...open }
        await state.commit(open, change(1, { a: 'first' }))
        await expect(state.commit(twin, change(1, { a: 'second' }))).rejects.toThrow(Fenced)
        await expect(state.check(twin)).rejects.toThrow(Fenced)
        expect(text(await state.read(open, ['a']))).toEqual(['first'])
        await state.commit(open, change(2, { a: 'third' }))
        expect(open).toMatchObject({ commits: 2, position: 2 })
      })

      it('happens once of two that race', async () => {
        const open = await state.open(newTask())
        const twins = [{ ...open }, { ...open }]
        const ends = await Promise.allSettled(
          twins.map((twin, i) => state.commit(twin, change(i + 1, { a: `${i}`, [`own ${i}`]: 'x' }))),
        )
        const [winner] = ends.flatMap((end, i) => (end.status === 'fulfilled' ? [i] : []))
        expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        expect(ends.find(({ status }) => status === 'rejected')).toMatchObject({ reason: expect.any(Fenced) })
        expect([...(await scanned(state, open)).keys()].sort()).toEqual(['a', `own ${winner}`])
      })

      it('whose answer was lost shows in what the next claim finds', async () => {
        const task = newTask()
        const open = await state.open(task)
        // stands for a commit that was applied though its caller saw an error: that caller's number is behind
        await state.commit({ ...open }, change(9, { a: '1' }))
        await expect(state.commit(open, change(9, { a: '1' }))).rejects.toThrow(Fenced)
        expect(await state.open(task)).toMatchObject({ commits: 1, position: 9 })
      })

      it('may carry a position and meta alone', async () => {
        const task = newTask()
        const open = await state.open(task)
        await state.commit(open, { position: 2 ** 40 - 1, meta: new Uint8Array(0) })
        const again = await state.open(task)
        expect(again).toMatchObject({ commits: 1, position: 2 ** 40 - 1 })
        expect(again.meta).toHaveLength(0)
      })

      it('deletes keys, and tells an empty value from none', async () => {
        const open = await state.open(newTask())
        await state.commit(open, change(1, { a: '1', b: '', c: '3' }))
        await state.commit(open, change(2, { a: null, never: null }))
        expect(text(await state.read(open, ['a', 'b', 'c']))).toEqual([undefined, '', '3'])
        expect([...(await scanned(state, open)).keys()].sort()).toEqual(['b', 'c'])
      })

      it('leaves bytes that were read before as they were', async () => {
        const open = await state.open(newTask())
        await state.commit(open, change(1, { a: 'before' }))
        const found = await state.read(open, ['a'])
        await state.commit(open, change(2, { a: 'behind' }))
        await state.read(open, ['a'])
        expect(text(found)).toEqual(['before'])
      })

      it('takes 10,000 keys with as many timers', async () => {
        const task = newTask()
        const open = await state.open(task)
        const names = Array.from({ length: 10_000 }, (_, i) => `key ${i}`)
        const keys = new Map(names.map((name, i) => [name, bytes(`value ${i}`)]))
        const timers = new Map(names.map((name, i) => [name, 10_000 - i]))
        await state.commit(open, { position: 1, meta: bytes(''), keys, timers })
        expect(open.nextDue).toBe(1)
        expect(text(await state.read(open, names))).toEqual(names.map((_, i) => `value ${i}`))
        expect(await state.due(open, 10_000, 20_000)).toEqual(names.toReversed())
        const gone = new Map(names.map((name) => [name, null]))
        const never = new Map(names.map((name) => [name, Number.POSITIVE_INFINITY]))
        await state.commit(open, { position: 2, meta: bytes(''), keys: gone, timers: never })
        expect(open.nextDue).toBe(Number.POSITIVE_INFINITY)
        expect(await scanned(state, open)).toEqual(new Map())
      })
    })

    describe('timers', () => {
      it('are answered earliest first, up to and at the time asked, as many as asked', async () => {
        const open = await state.open(newTask())
        await state.commit(open, change(1, {}, { d: 40, a: -5, c: 30.5, b: 30, zero: -0, e: 1.8e12 }))
        expect(open.nextDue).toBe(-5)
        expect(await state.due(open, 30.5, 10)).toEqual(['a', 'zero', 'b', 'c'])
        expect(await state.due(open, 30.4, 10)).toEqual(['a', 'zero', 'b'])
        expect(await state.due(open, Number.MAX_VALUE, 2)).toEqual(['a', 'zero'])
        expect(await state.due(open, -6, 10)).toEqual([])
      })

      it('move, go, or stay as each commit says', async () => {
        const task = newTask()
        const open = await state.open(task)
        await state.commit(open, change(1, {}, { a: 10, b: 20, c: 30 }))
        await state.commit(open, change(2, {}, { a: Number.POSITIVE_INFINITY, c: 15, none: Number.POSITIVE_INFINITY }))
        expect(open.nextDue).toBe(15)
        expect(await state.due(open, 100, 10)).toEqual(['c', 'b'])
        expect((await state.open(task)).nextDue).toBe(15)
      })

      it('are kept for keys whose bytes are deleted or never were', async () => {
        const open = await state.open(newTask())
        await state.commit(open, change(1, { a: '1' }, { a: 10, b: 11 }))
        await state.commit(open, change(2, { a: null }))
        expect(await state.due(open, 100, 10)).toEqual(['a', 'b'])
      })
    })

    describe('keys', () => {
      it('may be any text, and values any bytes', async () => {
        const open = await state.open(newTask())
        const value = (i: number) => Buffer.from(Array.from({ length: 256 }, (_, byte) => (byte + i) % 256))
        const keys = new Map(AWKWARD.map((key, i) => [key, value(i)]))
        const timers = new Map(AWKWARD.map((key, i) => [key, i]))
        const meta = value(99)
        await state.commit(open, { position: 1, meta, keys, timers })
        const found = await state.read(open, AWKWARD)
        expect(found.map((one) => one && Buffer.from(one))).toEqual(AWKWARD.map((_, i) => value(i)))
        expect(await state.due(open, 1000, 1000)).toEqual(AWKWARD)
        const all = await scanned(state, open)
        expect(all).toEqual(new Map(AWKWARD.map((key, i) => [key, value(i).toString('latin1')])))
        expect(Buffer.from((await state.open(open.task)).meta)).toEqual(meta)
      })

      it('of one task are not seen by another', async () => {
        const task = newTask()
        const [a, b] = [await state.open(task), await state.open(`${task}0`)]
        await state.commit(a, change(1, { a: 'of a', x: '1' }, { a: 1 }))
        await state.commit(b, change(2, { a: 'of b' }, { a: 2 }))
        expect(text(await state.read(a, ['a', 'x']))).toEqual(['of a', '1'])
        expect(text(await state.read(b, ['a', 'x']))).toEqual(['of b', undefined])
        expect([a.nextDue, b.nextDue]).toEqual([1, 2])
        expect(await state.due(a, 100, 10)).toEqual(['a'])
        expect([...(await scanned(state, b)).keys()]).toEqual(['a'])
      })

      it('of many tasks may be committed at the same time', async () => {
        const claims = await Promise.all(Array.from({ length: 20 }, () => state.open(newTask())))
        await Promise.all(claims.map((open, i) => state.commit(open, change(i, { a: `${i}` }))))
        const found = await Promise.all(claims.map((open) => state.read(open, ['a'])))
        expect(found.map(text)).toEqual(claims.map((_, i) => [`${i}`]))
      })
    })

    describe('a task that is forgotten', () => {
      it('is as new, though its keys were many; claims on it are refused, and others are left alone', async () => {
        const [open, other] = [await state.open(newTask()), await state.open(newTask())]
        const keys = Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`key ${i}`, 'x']))
        await state.commit(open, change(7, keys, { 'key 1': 5, 'key 2': 6 }))
        await state.commit(other, change(3, { a: '1' }, { a: 9 }))
        await state.forget(open.task)
        await expect(state.read(open, ['key 1'])).rejects.toThrow(Fenced)
        await expect(state.commit(open, change(8))).rejects.toThrow(Fenced)
        const again = await state.open(open.task)
        expect(again).toMatchObject({ position: undefined, commits: 0, nextDue: Number.POSITIVE_INFINITY })
        expect(again.meta.length).toBe(0)
        expect(text(await state.read(again, ['key 1', 'key 2499']))).toEqual([undefined, undefined])
        expect(await state.due(again, 100, 10)).toEqual([])
        expect(await scanned(state, again)).toEqual(new Map())
        expect(text(await state.read(other, ['a']))).toEqual(['1'])
        expect(await state.due(other, 100, 10)).toEqual(['a'])
        await state.forget(newTask())
      })
    })

    describe('a scan', () => {
      it('gives every key with its newest bytes, over many pages', async () => {
        const open = await state.open(newTask())
        const wanted = new Map<string, string>()
        for (let part = 0; part < 3; part++) {
          const keys = Array.from({ length: 1500 }, (_, i) => [`key ${part * 1000 + i}`, `${part}`] as const)
          for (const [key, value] of keys) wanted.set(key, value)
          await state.commit(open, change(part, Object.fromEntries(keys)))
        }
        let pages = 0
        for await (const page of state.scan(open)) pages += page.length > 0 ? 1 : 0
        expect(pages).toBeGreaterThan(1)
        expect(await scanned(state, open)).toEqual(wanted)
      })

      it('is refused on the way when another takes the task over', async () => {
        const open = await state.open(newTask())
        await state.commit(open, change(1, Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`${i}`, 'x']))))
        const pages = state.scan(open)[Symbol.asyncIterator]()
        await pages.next()
        await state.open(open.task)
        await expect(pages.next()).rejects.toThrow(Fenced)
      })
    })
  })
}
