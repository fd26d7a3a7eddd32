import { describe, expect, it } from 'vitest'
import type { Operator } from '../../src/core/model.ts'
import { operatorText, selection } from '../../src/core/selection.ts'

const both = selection({ columns: { of: 'v', when: 'w' }, values: 'number' })

describe('a selection', () => {
  it('without when takes every event; without of each is worth 1', () => {
    const plain = selection({ columns: {}, values: 'number' })
    expect(plain.columns).toEqual([])
    expect(plain.takes([], 0)).toBe(true)
    expect(plain.value([], 0)).toBe(1)
  })

  it('takes events whose flag is set, with their value', () => {
    const columns = [Uint8Array.of(1, 0), Float64Array.of(2.5, 3)]
    expect(both.columns.map(({ kind }) => kind)).toEqual(['flag', 'number'])
    expect(both.takes(columns, 0)).toBe(true)
    expect(both.takes(columns, 1)).toBe(false)
    expect(both.value(columns, 0)).toBe(2.5)
  })

  it('takes nothing where the writer did not know the flag, and no value where it did not know that', () => {
    expect(both.takes([undefined, undefined], 0)).toBe(false)
    expect(both.value([undefined, undefined], 0)).toBeNaN()
  })

  it('has no value where it is null or not finite, and no negative zero', () => {
    const columns = [Uint8Array.of(1, 1, 1), Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY, -0)]
    expect([0, 1].map((row) => both.value(columns, row))).toEqual([Number.NaN, Number.NaN])
    expect(Object.is(both.value(columns, 2), 0)).toBe(true)
  })

  it('says the operator, with the settings that accumulators depend on', async () => {
    const operator = {} as Operator
    expect(operatorText({ as: 'sum', settings: undefined, operator })).toBe('as="sum"')
    expect(operatorText({ as: 'sum', settings: {}, operator })).toBe('as="sum"')
    expect(operatorText({ as: 'top', settings: { top: 3 }, operator })).not.toBe(
      operatorText({ as: 'top', settings: { top: 4 }, operator }),
    )
    expect(operatorText({ as: 'top', settings: { top: 3 }, operator: { ...operator, remembers: {} } })).toBe('as="top"')
  })

  it('says itself differently when it is different', () => {
    const texts = [{}, { of: 'v' }, { when: 'v' }, { of: 'v', when: 'w' }, { of: 'v" when="w' }]
    expect(
      new Set(texts.map((columns) => selection({ columns: columns as Record<string, string>, values: 'number' }).text))
        .size,
    ).toBe(5)
  })
})
