/** Rows that came too late for what had closed: kept as dead letters, since nothing is dropped silently. */
import { RecordError } from '../core/errors.ts'
import type { Column, Millis, Rows } from '../core/model.ts'
import type { DeadLetter } from './dead-letters.ts'
import type { Source } from './shuffle.ts'

export function lateLetter(
  topology: string,
  source: Source,
  rows: Rows,
  row: number,
  features: readonly string[],
  clock: Millis,
): DeadLetter {
  const error = new RecordError('late', `the clock stood at ${clock}, closed for ${features.join(', ')}`)
  return rowLetter(topology, source, rows, row, 'late', error, { features })
}

/**
 * What a reducer knows of the event, as JSON, since its bytes stayed with the mapper: key, time, and the expressions that the
 * topology reads of it. Named by the row, so that its repeats have the same name.
 */
export function rowLetter(
  topology: string,
  source: Source,
  rows: Rows,
  row: number,
  why: 'late' | 'part',
  error: RecordError,
  more: Readonly<Record<string, unknown>> = {},
): DeadLetter {
  const position = rows.position[row] as number
  const time = rows.time[row] as number
  const key = rows.keys[rows.keyOf[row] as number] as string
  let ofRecord = 0
  while (rows.position[row - ofRecord - 1] === position) ofRecord++
  const values = Object.fromEntries([...rows.columns].map(([id, column]) => [id, valueAt(column, row)]))
  return {
    topology,
    source,
    record: {
      position,
      timestamp: time,
      key: Buffer.from(key),
      value: Buffer.from(JSON.stringify({ key, time, ...more, values })),
      headers: {},
    },
    name: `${why}/${position}.${ofRecord}/${key}`,
    error,
  }
}

/** A number that is not finite, which stands for null, is null in JSON. */
const valueAt = (column: Column, row: number): unknown =>
  column instanceof Uint8Array ? column[row] === 1 : column[row]
