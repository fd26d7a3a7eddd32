import type { Millis } from './model.ts'

/** Wall time as the engine sees it: the one door through which time comes in, so that tests can turn the clock. */
export interface WallClock {
  now(): Millis
  /** Resolves after `ms`, or at once when the signal is aborted. Never rejects. */
  wait(ms: Millis, signal?: AbortSignal): Promise<void>
}

export const systemClock: WallClock = {
  now: () => Date.now(),
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve()
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
