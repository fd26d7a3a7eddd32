import { describe, expect, it } from 'vitest'
import { ClearStop } from '../../src/core/errors.ts'
import { OwnCalls } from '../../src/engine/own-code.ts'
import { VirtualClock } from '../../src/testing/clock.ts'

const endless = () => {
  for (;;);
}
const callsWithin = (timeout: number) => {
  const clock = new VirtualClock()
  return { clock, calls: new OwnCalls({ timeout, stops: false }, 'reduce/a@1/0', clock) }
}
const coded = (code: string) => expect.objectContaining({ code })

describe('a call into code of one’s own', () => {
  it('has an answer, or a failure with its code', () => {
    const { calls } = callsWithin(10_000)
    expect(calls.attempt(() => 5)).toEqual({ answer: 5 })
    const failing = () => {
      throw new TypeError('no')
    }
    expect(calls.attempt(failing)).toEqual({ failure: coded('part-failed') })
  })

  it('that no event can be blamed for stops the task clearly when it fails', () => {
    const { calls } = callsWithin(10_000)
    expect(calls.demand(() => 5)).toBe(5)
    const demand = () =>
      calls.demand(() => {
        throw new TypeError('no')
      })
    expect(demand).toThrow(ClearStop)
    expect(demand).toThrow(/^reduce\/a@1\/0: no/)
  })

  it('that gives no answer is ended, and is given longer where that is asked for', () => {
    const { calls } = callsWithin(5)
    expect(calls.attempt(endless)).toEqual({ failure: coded('part-timeout') })
    const until = (end: number) => () => {
      while (performance.now() < end);
      return 'late'
    }
    expect(calls.attempt(until(performance.now() + 20), 60_000)).toEqual({ answer: 'late' })
  })
})

describe('calls that give no answer', () => {
  it('stop the task with the tenth within a minute', () => {
    const { clock, calls } = callsWithin(1)
    for (let i = 0; i < 9; i++) expect(calls.attempt(endless)).toEqual({ failure: coded('part-timeout') })
    clock.move(59_999)
    expect(() => calls.attempt(endless)).toThrow(/^reduce\/a@1\/0: 10 calls within a minute gave no answer/)
  })

  it('are forgotten after a minute, and other failures do not count', () => {
    const { clock, calls } = callsWithin(1)
    for (let i = 0; i < 9; i++) calls.attempt(endless)
    clock.move(60_000)
    for (let i = 0; i < 9; i++) expect(calls.attempt(endless)).toEqual({ failure: coded('part-timeout') })
    for (let i = 0; i < 9; i++)
      expect(
        calls.attempt(() => {
          throw new TypeError('no')
        }, 10_000),
      ).toEqual({ failure: coded('part-failed') })
  })
})
