import { setTimeout as sleep } from 'node:timers/promises'
import { Fenced } from '../../../src/core/errors.ts'

const PAUSE_MS = 10

/** Calls again until it succeeds. To be fenced is an answer: that is passed on. */
export async function until<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (error instanceof Fenced) throw error
      await sleep(PAUSE_MS)
    }
  }
}
