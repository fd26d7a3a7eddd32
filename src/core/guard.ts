import { Script } from 'node:vm'
import { MillraceError, RecordError } from './errors.ts'
import type { Millis } from './model.ts'

const CALL = Symbol.for('millrace.guarded')
const script = new Script("globalThis[Symbol.for('millrace.guarded')]()")

/**
 * Runs code that is not Millrace's own and answers what it answers. After `limit` it is ended wherever it is, even in a
 * loop that catches everything; whatever it was changing is then half done. Throws `part-timeout` or `part-failed`; what
 * Millrace itself throws passes through. Only the call itself is limited: not what a promise does later. Costs about 0.2 ms.
 */
export function guarded<T>(limit: Millis, call: () => T): T {
  const place = globalThis as Record<symbol, unknown>
  const outer = place[CALL]
  place[CALL] = call
  try {
    return script.runInThisContext({ timeout: limit }) as T
  } catch (error) {
    if (error instanceof MillraceError) throw error
    if (error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new RecordError('part-timeout', `no answer within ${limit} ms`)
    throw new RecordError('part-failed', told(error), { cause: error })
  } finally {
    place[CALL] = outer
  }
}

/** What a method of code that is not Millrace's own answers; throws `part-failed` for a promise, as nobody would wait for it. */
export function atOnce<T>(method: string, answer: T): T {
  if (!(answer instanceof Promise)) return answer
  // unheard, a rejection would end the process
  answer.catch(() => undefined)
  throw new RecordError('part-failed', `${method}() gives a promise: it has to answer at once`)
}

/** Asks nothing of a thing that is no error: it might fail again, or not answer. */
function told(thrown: unknown): string {
  if (typeof thrown !== 'object' && typeof thrown !== 'function') return String(thrown)
  const message = thrown instanceof Error ? Object.getOwnPropertyDescriptor(thrown, 'message')?.value : undefined
  if (typeof message === 'string') return message
  return thrown instanceof Error ? 'an error without a message' : 'something was thrown that is no Error'
}
