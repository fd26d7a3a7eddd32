import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import { type Moments, ofVariance, VARIANCE_NOTES } from '../core/moments.ts'
import type { Part } from '../core/part.ts'

const variance = ofVariance((variance) => variance)

const part: Part<Record<string, never>, Operator<Moments, number>> = {
  summary: 'The population variance of the values of `of`.',
  config: z.strictObject({}),
  example: 'accept_seconds_variance_50: { last: 50, of: event.acceptSeconds, as: variance }',
  notes: `In the unit of \`of\` squared; ${VARIANCE_NOTES}`,
  open: () => variance,
}
export default part
