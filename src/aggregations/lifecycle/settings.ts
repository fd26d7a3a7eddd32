import { z } from 'zod'
import { duration } from '../../core/duration.ts'
import type { ColumnKind, ColumnSpec, FeatureSpec, Millis } from '../../core/model.ts'

/** How often ages are told anew, where `every` is left out. */
export const EVERY: Millis = 60_000

export const config = z
  .strictObject({
    lifecycle: z.unknown().describe('Expression: the id of the thing that is opened and closed, a text.'),
    opens: z.unknown().describe('Expression: true for the event that opens it.'),
    closes: z.unknown().describe('Expression: true for the events that close it.'),
    maxAge: duration
      .default(86_400_000)
      .describe('How long after its opening a thing counts at most, and how long its closing is remembered; 24h.'),
    measure: z
      .enum(['age', 'duration'])
      .optional()
      .describe(
        'Seconds that are aggregated, in place of `of`. `age`: since the opening, of each open thing. `duration`: from opening to closing, of each thing closed within `maxAge`.',
      ),
    every: duration
      .optional()
      .describe('With `measure: age`: how often ages are told anew; each time, every entity with open things. 1m.'),
  })
  .refine(({ measure, every }) => every === undefined || measure === 'age', {
    path: ['every'],
    message: 'every goes with measure: age alone; all else changes with events and when things leave',
  })
export type Config = z.output<typeof config>

export const EXPRESSIONS = { lifecycle: 'text', opens: 'flag', closes: 'flag' } as const satisfies Record<
  string,
  ColumnKind
>

/** The columns of `lifecycle`, `opens` and `closes`, in this order. */
export function columnsOf({ columns }: FeatureSpec<Config>): ColumnSpec[] {
  return Object.entries(EXPRESSIONS).map(([key, kind]) => ({ id: columns[key] as string, kind }))
}
