import { expect, it, vi } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'

it('a wait ends at once when nobody waits for it any more, before it begins or within it', async () => {
  await systemClock.wait(3_600_000, AbortSignal.abort())
  const controller = new AbortController()
  const waited = systemClock.wait(3_600_000, controller.signal)
  controller.abort()
  await waited
})

it('a wait ends by itself and leaves nothing behind on the signal', async () => {
  const { signal } = new AbortController()
  const removed = vi.spyOn(signal, 'removeEventListener')
  await systemClock.wait(1, signal)
  await systemClock.wait(1)
  expect(removed).toHaveBeenCalledTimes(1)
})

it('a wait of no time gives others their turn', async () => {
  const turns: string[] = []
  setImmediate(() => turns.push('another'))
  await systemClock.wait(0)
  turns.push('who waited')
  expect(turns).toEqual(['another', 'who waited'])
})
