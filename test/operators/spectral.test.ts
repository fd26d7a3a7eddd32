import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { WideSum } from '../../src/core/numbers.ts'
import type { Part } from '../../src/core/part.ts'
import { loadPart } from '../../src/core/part.ts'
import { operatorNamed } from '../aggregations/declared.ts'

/** Values at every second, of a wave of that period and amplitude. */
const wave = (seconds: number, period: number, amplitude: number) =>
  Array.from({ length: seconds }, (_, i) => [i * 1_000, 7 + amplitude * Math.sin((2 * Math.PI * i) / period)] as const)

async function spectrum(settings: object, samples: readonly (readonly [time: number, value: number])[]) {
  const operator = await operatorNamed('spectral', settings)
  const acc = operator.create()
  for (const [time, value] of samples) operator.add(acc, value, time, 0)
  return operator.result(acc, Number.NaN)
}

describe('the spectral density', () => {
  it('of a wave stands at its frequency, and sums up to its variance', async () => {
    const densities = (await spectrum({ spectral: '1s', points: 32 }, wave(200, 8, 3))) as number[]
    expect(densities).toHaveLength(16)
    expect(densities.indexOf(Math.max(...densities))).toBe(32 / 8 - 1)
    const power = densities.reduce((sum, density) => sum + density / 32, 0)
    expect(power).toBeCloseTo(3 ** 2 / 2, 6)
  })

  it('between periods is the power of what repeats within them', async () => {
    const both = wave(256, 8, 3).map(
      ([time, value], i) => [time, value + 2 * Math.cos((2 * Math.PI * i) / 2.5)] as const,
    )
    const power = (between: readonly string[]) => spectrum({ spectral: '1s', points: 64, between }, both)
    expect(await power(['6s', '12s'])).toBeCloseTo(3 ** 2 / 2, 2)
    expect(await power(['2s', '3s'])).toBeCloseTo(2 ** 2 / 2, 2)
    expect(await power(['12s', '3s'])).toBe(await power(['3s', '12s']))
  })

  it('of a constant is nothing, of fewer steps than a segment has is null', async () => {
    expect(await spectrum({ spectral: '1s', points: 8 }, wave(8, 3, 0))).toEqual([0, 0, 0, 0])
    expect(await spectrum({ spectral: '1s', points: 8 }, wave(7, 3, 1))).toBeNull()
  })

  it('takes the mean within a step, and a line over steps without values', async () => {
    const line = Array.from({ length: 16 }, (_, i) => [i * 1_000, i] as const)
    const gaps = line.filter(([, i]) => i === 0 || i === 15 || i % 3 === 1)
    const doubled = gaps.flatMap(
      ([time, i]) =>
        [
          [time, i - 4],
          [time + 999, i + 4],
        ] as const,
    )
    const expected = (await spectrum({ spectral: '1s', points: 16 }, line)) as number[]
    for (const [i, density] of ((await spectrum({ spectral: '1s', points: 16 }, doubled)) as number[]).entries())
      expect(density).toBeCloseTo(expected[i] as number, 9)
  })

  it('counts the newest 1,024 steps, whatever was long before them', async () => {
    const newest = wave(1_024, 9, 2).map(([time, value]) => [time + 9_000_000, value] as const)
    const old = wave(3_000, 4, 500)
    const settings = { spectral: '1s', points: 128 }
    const expected = await spectrum(settings, newest)
    expect(await spectrum(settings, [...old, ...newest])).toEqual(expected)
    expect(await spectrum(settings, [...newest, ...old].reverse())).toEqual(expected)
  })

  it('adds up what was remembered apart, but for steps that are too old by then', async () => {
    const operator = await operatorNamed('spectral', { spectral: '1s', points: 8 })
    const over = (samples: readonly (readonly [number, number])[]) => {
      const acc = operator.create()
      for (const [time, value] of samples) operator.add(acc, value, time, 0)
      return acc
    }
    const newest = wave(1_024, 9, 2).map(([time, value]) => [time + 9_000_000, value] as const)
    const merged = over(newest)
    operator.merge(merged, over(wave(50, 4, 500)))
    expect(operator.result(merged, Number.NaN)).toEqual(operator.result(over(newest), Number.NaN))
  })

  it('refuses bytes whose steps do not go on', async () => {
    const operator = await operatorNamed('spectral', { spectral: '1s', points: 8 })
    const to = new ByteWriter()
    to.varint(2)
    for (let i = 0; i < 2; i++) {
      to.double(7)
      to.varint(1)
      new WideSum().encode(to)
    }
    expect(() => operator.decode(new ByteReader(to.take()))).toThrow('no step 7 stands here')
  })

  it.each([
    [{ spectral: '1s', points: 12 }, 'points'],
    [{ spectral: '1s', points: 8, between: ['20s', '1m'] }, 'between'],
    [{ spectral: '1s', points: 8, between: ['1s', '1500ms'] }, 'between'],
    [{ spectral: '1s', points: 64, between: ['61s', '62s'] }, 'between'],
  ])('with %j is refused', async (settings, at) => {
    const { config } = await loadPart<unknown, Part<unknown, unknown>>('operators', 'spectral')
    expect(config.safeParse(settings).error?.issues.map(({ path }) => path[0])).toEqual([at])
  })
})
