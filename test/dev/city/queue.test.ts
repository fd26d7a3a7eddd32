import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Queue } from '../../../src/dev/city/queue.ts'

it('gives the earliest first, those of one time in the order they came', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5)), (times) => {
      const queue = new Queue<number>()
      times.forEach((at, i) => {
        queue.put(at, i)
      })
      const taken = times.map(() => queue.take() as number)
      const wanted = times.map((_, i) => i).sort((a, b) => (times[a] as number) - (times[b] as number) || a - b)
      expect(taken).toEqual(wanted)
      expect(queue.take()).toBeUndefined()
      expect(queue.first).toBe(Number.POSITIVE_INFINITY)
    }),
  )
})
