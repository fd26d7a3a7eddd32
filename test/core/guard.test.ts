import { expect, it } from 'vitest'
import { ClearStop } from '../../src/core/errors.ts'
import { guarded } from '../../src/core/guard.ts'

it('answers what the call answers, also one within another', () => {
  expect(guarded(1_000, () => guarded(1_000, () => 20) + 1)).toBe(21)
})

it.each([
  [
    'a loop',
    () => {
      for (;;);
    },
  ],
  [
    'a loop that catches everything',
    () => {
      for (;;)
        try {
          for (;;);
        } catch {
          // goes on
        } finally {
          for (;;);
        }
    },
  ],
  ['an expression that tries too much', () => /(a+)+$/.test(`${'a'.repeat(50)}b`)],
])('ends %s', (_, call) => {
  expect(() => guarded(50, call)).toThrow(expect.objectContaining({ code: 'part-timeout' }))
  expect(guarded(1_000, () => 1)).toBe(1)
})

it.each([
  [
    'an error',
    () => {
      throw new TypeError('no such thing')
    },
    'no such thing',
  ],
  [
    'anything',
    () => {
      throw undefined
    },
    'undefined',
  ],
  [
    'what cannot be made a text',
    () => {
      throw Object.create(null)
    },
    'no Error',
  ],
  [
    'what never says its text',
    () => {
      throw {
        toString() {
          throw new Error('asked')
        },
      }
    },
    'no Error',
  ],
  [
    'an error whose message fails',
    () => {
      const message = () => {
        throw new Error('asked')
      }
      throw Object.defineProperty(new Error(), 'message', { get: message })
    },
    'without a message',
  ],
  [
    'no end of calls',
    () => {
      const again = (): number => again() + 1
      return again()
    },
    'call stack',
  ],
])('tells of a call that throws %s', (_, call, message) => {
  expect(() => guarded(1_000, call as () => unknown)).toThrow(
    expect.objectContaining({ code: 'part-failed', message: expect.stringContaining(message) }),
  )
})

it('lets a clear stop pass', () => {
  const stop = new ClearStop('state-unreadable', 'x')
  expect(() =>
    guarded(1_000, () => {
      throw stop
    }),
  ).toThrow(stop)
})
