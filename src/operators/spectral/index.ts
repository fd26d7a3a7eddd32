import { z } from 'zod'
import { duration } from '../../core/duration.ts'
import type { Operator } from '../../core/model.ts'
import { finite } from '../../core/numbers.ts'
import type { Part } from '../../core/part.ts'
import { Series } from './series.ts'
import { welch } from './welch.ts'

const config = z
  .strictObject({
    spectral: duration.describe('Length of a step: the values within one are averaged to a regular series.'),
    points: z
      .literal([8, 16, 32, 64, 128])
      .default(64)
      .describe('Steps of a segment: spectra of segments are averaged, and fewer steps have no spectrum.'),
    between: z
      .tuple([duration, duration])
      .optional()
      .describe('Periods: the result is the power of what repeats within them, instead of a list of densities.'),
  })
  .refine(({ spectral, points, between: [a, b] = [2 * spectral, 2 * spectral] }) => reaches(spectral, points, a, b), {
    path: ['between'],
    message: 'no frequency of the spectrum lies between these periods',
    params: {
      expected: 'periods from two steps to `points` steps, apart enough to have points / n steps between them',
    },
  })
type Config = z.output<typeof config>

/** Is there a frequency n / (points * step) among the periods? */
function reaches(step: number, points: number, a: number, b: number): boolean {
  const length = step * points
  const [lowest, highest] = [length / Math.max(a, b), length / Math.min(a, b)]
  const first = Math.max(1, Math.ceil(lowest))
  return first <= Math.min(highest, points / 2)
}

function spectral({ spectral, points, between }: Config): Operator<Series, number> {
  const length = spectral * points
  const isWithin = (n: number) => !between || (n >= length / Math.max(...between) && n <= length / Math.min(...between))
  return {
    of: 'required',
    takes: 'numbers',
    type: between ? 'double' : 'list of double',
    empty: null,
    remembers: { spectral },
    over: { memories: ['span', 'newest', 'all'], because: 'a spectrum is of a series of times' },
    create: () => new Series(),
    add: (acc, value, time) => acc.add(Math.floor(time / spectral), value),
    merge: (into, from) => into.merge(from),
    result: (acc) => {
      const densities = welch(acc.values(), points, spectral / 1_000)
      if (!densities || !between) return densities
      const width = 1_000 / length
      return finite(densities.reduce((power, density, i) => (isWithin(i + 1) ? power + density * width : power), 0))
    },
    encode: (acc, to) => acc.encode(to),
    decode: (from) => Series.decode(from),
  }
}

const part: Part<Config, Operator<Series, number>> = {
  summary: 'The spectral density of the values of `of`: how much of their variance repeats how often.',
  config,
  example: 'load_rhythm_1d: { window: 1d, of: event.total, as: { spectral: 5m, points: 64, between: [30m, 2h] } }',
  notes: `A list of densities in the unit of \`of\` squared per Hz: the n-th belongs to the frequency n / (points × step), up to one
period in two steps; \`points\` / 2 items. With \`between\` one number, the power in the unit of \`of\` squared: the densities
of the periods within, times the width of a frequency. Null while fewer than \`points\` steps lie between the oldest and the
newest value.

Steps begin at whole multiples of their length since 1970. The values within one are averaged; one without any lies on the
line between its neighbours, so gaps make slow periods stronger than they are. The newest 1,024 steps count, in segments of
\`points\` that overlap by half, from the newest back; from each its mean is taken, a periodic Hann window weighs it, and
the periodograms are averaged (Welch, IEEE Transactions on Audio and Electroacoustics, 1967). The series depends on the
set of events alone; sums of whole numbers in it are exact, and the arithmetic is that of doubles, 1e-12 of the largest
density. The estimate has the variance of Welch's method: about that of a mean over 1.5 times as many values as there are
segments without overlap. Keeps up to 40 bytes for each of 1,024 steps.`,
  open: spectral,
}
export default part
