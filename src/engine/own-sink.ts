import type { WallClock } from '../core/clock.ts'
import { MillraceError, messageOf, only, RecordError } from '../core/errors.ts'
import { guarded } from '../core/guard.ts'
import type { EmissionBatch, Millis, Sink, SinkResult } from '../core/model.ts'
import { OwnPartFault, requireMethods } from '../core/own-part.ts'

export interface SinkLimits {
  /** Longest time for what a call does at once. */
  readonly timeout: Millis
  /** Longest time until a call has answered. */
  readonly answer: Millis
}

/**
 * A sink of one's own, with limits: a call that gives no answer in time rejects, so the task says that it waits and calls
 * again, while others go on. The call before may then still be under way. What a sink does after its first `await` is not
 * limited: a loop there holds up the whole worker.
 */
export async function openOwnSink(
  path: string,
  open: () => Promise<Sink> | Sink,
  limits: SinkLimits,
  clock: WallClock,
): Promise<Sink> {
  async function ask<T>(what: string, call: () => Promise<T> | T): Promise<T> {
    const answered = new AbortController()
    const silence = clock.wait(limits.answer, answered.signal).then(() => {
      if (answered.signal.aborted) return undefined as never
      throw new MillraceError('part-timeout', `${what} of ${path} gave no answer within ${limits.answer} ms`)
    })
    try {
      return await Promise.race([guarded(limits.timeout, call), silence])
    } catch (error) {
      if (error instanceof MillraceError && !(error instanceof RecordError)) throw error
      const message = messageOf(error)
      const code = error instanceof RecordError ? error.code : 'part-failed'
      throw new MillraceError(code, `${what} of ${path}: ${message}`, { cause: error })
    } finally {
      answered.abort()
    }
  }
  const sink = await ask('open()', open)
  try {
    requireMethods(path, 'a Sink: write, close', sink, ['write', 'close'])
  } catch (error) {
    const { message, expected } = only(OwnPartFault, error)
    throw new MillraceError('part-failed', `${message}, expected ${expected}`)
  }
  const { mark, caughtUp, flush } = sink
  return {
    write: async (batch) => checked(path, await ask('write()', () => sink.write(batch)), batch),
    ...(mark ? { mark: (task) => ask('mark()', () => mark.call(sink, task)) } : {}),
    ...(caughtUp ? { caughtUp: (...given) => ask('caughtUp()', () => caughtUp.apply(sink, given)) } : {}),
    ...(flush ? { flush: (task) => ask('flush()', () => flush.call(sink, task)) } : {}),
    close: () => ask('close()', () => sink.close()),
  }
}

/** An answer that says all of the batch is durable, and refuses nothing that was not in it. Others are asked for again. */
function checked(path: string, result: SinkResult, { emissions, upto }: EmissionBatch): SinkResult {
  const failed = (found: string) => new MillraceError('part-failed', `write() of ${path} ${found}`)
  if (typeof result?.safe !== 'number') throw failed('answered no position, expected { safe: batch.upto }')
  // state and position are committed together, and with them nothing may wait in a sink
  if (!(result.behind || result.safe >= upto))
    throw failed(`answered { safe: ${result.safe} }, expected ${upto}: it may hold nothing back`)
  for (const { index } of result.refused ?? [])
    if (!(Number.isInteger(index) && index >= 0 && index < emissions.length))
      throw failed(`refuses emission ${index} of ${emissions.length}`)
  return result
}
