import type { Millis } from './model.ts'

/** Time as the engine sees it: the one door through which it comes in, so that tests can turn the clock. */
export interface WallClock {
  /** Wall time. It can be set, forth and back: for what is said of events, never for how long something takes. */
  now(): Millis
  /** Time since some moment, which only grows and is never set: for pauses and durations. */
  monotonic(): Millis
  /** Resolves after `ms`, or at once when the signal is aborted; with 0, once others have had their turn. Never rejects. */
  wait(ms: Millis, signal?: AbortSignal): Promise<void>
}

export const systemClock: WallClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve()
        return
      }
      if (ms === 0) {
        setImmediate(resolve)
        return
      }
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal?.addEventListener('abort', end)
    }),
}
