import { describe, expect, it } from 'vitest'
import { percentile } from '../../bench/delay.ts'
import { barChart } from '../../bench/plot.ts'
import { Taken } from '../../bench/w0.ts'

const record = (orderId: string) => ({ orderId, storeId: 's1', totalCents: 1_500, prepSeconds: 90 })

describe('what the benchmark says', () => {
  it('tells records apart by content, whatever their order', () => {
    const of = (...ids: string[]) => {
      const taken = new Taken()
      for (const id of ids) taken.add(record(id))
      return `${taken}`
    }
    expect(of('o1', 'o2', 'o3')).toBe(of('o3', 'o1', 'o2'))
    expect(of('o1', 'o2', 'o3')).not.toBe(of('o1', 'o2', 'o2'))
    expect(of('o1')).not.toBe(of('o1', 'o1'))
  })

  it('has percentiles that are samples', () => {
    const samples = Array.from({ length: 1_000 }, (_, i) => i + 1)
    expect([0.5, 0.99, 0.999, 1].map((share) => percentile(samples, share))).toEqual([500, 990, 999, 1_000])
    expect(percentile([7], 0.5)).toBe(7)
  })

  it('draws bars in proportion, and names as they are', () => {
    const bar = (name: string, value: number) => ({ name, value, low: value, high: value })
    const svg = barChart('a & b', [{ title: 'rate', bars: [bar('Flink <2>', 50), bar('Millrace', 100)] }])
    const [half, whole] = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
    expect(half).toBeCloseTo((whole as number) / 2)
    expect(svg).toContain('a &amp; b')
    expect(svg).toContain('Flink &lt;2>')
  })
})
