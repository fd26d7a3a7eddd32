import type { Writable } from 'node:stream'
import { MillraceError } from '../core/errors.ts'

/** What a command may touch of the process. */
export interface Terminal {
  readonly out: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly error: (text: string) => void
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGINT and SIGTERM. */
  readonly stopSignal: AbortSignal
  /** Calls the listener at every SIGHUP, which ends the process where nobody listens. */
  readonly onHangup?: (listener: () => void) => void
}

/** What went wrong and what to do, for people. */
export function explain(error: unknown): string {
  if (error instanceof MillraceError) return `${error.message} [${error.code}]\n  ${error.todo}`
  return error instanceof Error ? error.message : String(error)
}

/** Resolves once the signal is given. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
