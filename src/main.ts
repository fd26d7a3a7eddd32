#!/usr/bin/env node
/** The command line's door: the only reader of arguments, environment and signals. What there is to call: `commands/program.ts`. */
import module from 'node:module'
import process from 'node:process'
import type { Terminal } from './commands/console.ts'

// before anything else is loaded: the second start compiles nothing, which halves its time
module.enableCompileCache()

/** One Ctrl-C may come twice: to the process group, and handed on by what started us (npm, timeout). In ms. */
const SAME_MS = 500

/** Aborted by the first signal, and when nobody reads what is said any more; a second signal ends the process at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  let firstAt: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (firstAt !== undefined && performance.now() - firstAt > SAME_MS) process.exit(130)
      firstAt ??= performance.now()
      stop.abort()
    })
  }
  // `| head` has seen enough: a quiet end, with everything closed
  for (const out of [process.stdout, process.stderr]) {
    out.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      stop.abort()
    })
  }
  // a worker of `run --workers` does not outlive the process that watches over it
  process.once('disconnect', () => stop.abort())
  process.channel?.unref()
  return stop.signal
}

const { callersFolder } = await import('./commands/npm.ts')
const stoodIn = callersFolder(process.env, process.cwd())
if (stoodIn !== undefined) process.chdir(stoodIn)

const terminal: Terminal = {
  out: process.stdout,
  error: (text) => process.stderr.write(`${text}\n`),
  environment: process.env,
  stopSignal: stopSignal(),
  onHangup: (listener) => process.on('SIGHUP', listener),
}

const { runProgram } = await import('./commands/program.ts')
process.exitCode = await runProgram(process.argv.slice(2), terminal)
