import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { ofOneEvent, type Single } from '../core/single.ts'

const first = ofOneEvent('earliest')

const part: Part<Record<string, never>, Operator<Single>> = {
  summary: 'The value of `of` at the earliest event that has one.',
  config: z.strictObject({}),
  example: 'opened_with: { lifetime: true, of: event.type, as: first }',
  notes: `A number or a text, as \`of\` is, in its unit; null over nothing. Exact: by event time, of events at one time the one
whose declared \`id\` has the lower hash, else the one further back in its topic. Keeps that one value.`,
  open: () => first,
}
export default part
