import { pino } from 'pino'
import type { Log } from '../core/part.ts'
import type { Terminal } from './console.ts'

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent']

/** Lines of JSON on stdout: `level` by its name, `time` in ISO 8601, `msg`. `base` stands on every line. Throws on another `LOG_LEVEL`. */
export function processLog({ environment }: Pick<Terminal, 'environment'>, base: object = {}): Log {
  const { LOG_LEVEL: level = 'info' } = environment
  if (!LEVELS.includes(level)) throw new Error(`LOG_LEVEL is '${level}'; expected one of ${LEVELS.join(', ')}`)
  const formatters = { level: (label: string) => ({ level: label }) }
  return pino({ base: { ...base }, timestamp: pino.stdTimeFunctions.isoTime, level, formatters })
}
