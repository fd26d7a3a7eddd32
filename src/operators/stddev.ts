import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import { type Moments, ofVariance, VARIANCE_NOTES } from '../core/moments.ts'
import type { Part } from '../core/part.ts'

const root = (variance: number | null): number | null => (variance === null ? null : Math.sqrt(variance))

const stddev = ofVariance(root)

const part: Part<Record<string, never>, Operator<Moments, number>> = {
  summary: 'The population standard deviation of the values of `of`.',
  config: z.strictObject({}),
  example: 'accept_seconds_stddev_50: { last: 50, of: event.acceptSeconds, as: stddev }',
  notes: `In the unit of \`of\`; ${VARIANCE_NOTES}`,
  open: () => stddev,
}
export default part
