import type { Log } from '../core/part.ts'

const silent = () => undefined
/** For commands that end with what went wrong: whatever that is, is in the error. */
export const SILENT: Log = { debug: silent, info: silent, warn: silent, error: silent }
