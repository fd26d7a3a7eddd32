import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { duration, parseDuration } from '../../src/core/duration.ts'

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
    expect(duration.parse(text)).toBe(ms)
  })

  it.each(['10', '10 m', 'm', '1.5h', '-3s', '10min', '2w', '', '1h30m'])(
    '%j is refused and the units are said',
    (text) => {
      expect(() => parseDuration(text)).toThrow(/unit of ms, s, m, h or d/)
      expect(duration.safeParse(text).error?.issues[0]).toMatchObject({
        code: 'custom',
        params: { code: 'bad-duration' },
      })
    },
  )

  it('that is long is not repeated whole', () => {
    expect(() => parseDuration('x'.repeat(1_000))).toThrow(`"${'x'.repeat(40)}…" is no duration`)
  })

  it.each(['0s', '36501d', '999999999999999d'])('%s is refused as out of range', (text) => {
    expect(() => parseDuration(text)).toThrow(/at least 1ms|at most 36500d/)
  })

  it('a number without a unit is refused as a bad duration, not as a wrong type', () => {
    expect(duration.safeParse(10).error?.issues[0]).toMatchObject({ params: { code: 'bad-duration' } })
  })

  it('left out, it is a missing key', () => {
    const config = z.strictObject({ window: duration })
    expect(config.safeParse({}).error?.issues[0]).toMatchObject({ code: 'invalid_type', path: ['window'] })
    expect(z.strictObject({ window: duration.default(5) }).parse({})).toEqual({ window: 5 })
    expect(z.strictObject({ window: duration.optional() }).parse({})).toEqual({})
  })

  it('is a text with a pattern in the JSON Schema', () => {
    const schema = z.toJSONSchema(z.strictObject({ window: duration }), { io: 'input' })
    expect(schema).toMatchObject({
      properties: { window: { type: 'string', pattern: expect.any(String) } },
      required: ['window'],
    })
  })
})
