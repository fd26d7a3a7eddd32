import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { ofOneEvent, type Single } from '../core/single.ts'

const last = ofOneEvent('newest')

const part: Part<Record<string, never>, Operator<Single>> = {
  summary: 'The value of `of` at the newest event that has one.',
  config: z.strictObject({}),
  example: 'newest_status: { lifetime: true, of: event.type, as: last }',
  notes: `A number or a text, as \`of\` is, in its unit; null over nothing. Exact: by event time, of events at one time the one
whose declared \`id\` has the higher hash, else the one further on in its topic. Keeps that one value.`,
  open: () => last,
}
export default part
