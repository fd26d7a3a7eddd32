import { z } from 'zod'
import type { ByteReader, ByteWriter } from '../core/bytes.ts'
import { duration } from '../core/duration.ts'
import type { Millis, Operator } from '../core/model.ts'
import { finite, WideSum } from '../core/numbers.ts'
import type { Part } from '../core/part.ts'

const config = z.strictObject({
  ewma: duration.describe('Half-life: a value counts half as much as one that is so much newer.'),
})
type Config = z.output<typeof config>

/** Time is cut into eras of so many half-lives. */
const ERA = 64

/**
 * Sums of weights and of weighted values. A weight is 2^(half-lives since the era began), so between eras sums change by
 * powers of two, which rounds nothing: what an event adds is the same, whenever it comes.
 */
class Decaying {
  private era = Number.NEGATIVE_INFINITY
  private weights = new WideSum()
  private values = new WideSum()

  add(value: number, time: Millis, halfLife: Millis): void {
    const length = ERA * halfLife
    const era = Math.floor(time / length)
    if (era > this.era) this.moveTo(era)
    const weight = 2 ** ((time - era * length) / halfLife)
    const scale = scaleOf(this.era - era)
    this.weights.add(weight * scale)
    this.values.add(value * weight * scale)
  }

  merge(from: Decaying): void {
    if (from.era === Number.NEGATIVE_INFINITY) return
    if (from.era > this.era) this.moveTo(from.era)
    const scale = scaleOf(this.era - from.era)
    this.weights.merge(from.weights, scale)
    this.values.merge(from.values, scale)
  }

  private moveTo(era: number): void {
    const scale = scaleOf(era - this.era)
    this.weights.scale(scale)
    this.values.scale(scale)
    this.era = era
  }

  get mean(): number | null {
    return finite(this.values.value / this.weights.value)
  }

  encode(to: ByteWriter): void {
    to.double(this.era)
    this.weights.encode(to)
    this.values.encode(to)
  }

  static decode(from: ByteReader): Decaying {
    const decaying = new Decaying()
    decaying.era = from.double()
    decaying.weights = WideSum.decode(from)
    decaying.values = WideSum.decode(from)
    return decaying
  }
}

/** A power of two; 0 for what is too old to matter. */
function scaleOf(eras: number): number {
  return eras === 0 ? 1 : 2 ** (-ERA * eras)
}

function ewma({ ewma }: Config): Operator<Decaying, number> {
  return {
    of: 'required',
    takes: 'numbers',
    type: 'double',
    empty: null,
    create: () => new Decaying(),
    add: (acc, value, time) => acc.add(value, time, ewma),
    merge: (into, from) => into.merge(from),
    result: (acc) => acc.mean,
    encode: (acc, to) => acc.encode(to),
    decode: (from) => Decaying.decode(from),
  }
}

const part: Part<Config, Operator<Decaying, number>> = {
  summary:
    'The rolling mean: an exponentially weighted moving average of the values of `of`, in which newer ones count more.',
  config,
  example: 'accept_seconds_rolling: { lifetime: true, of: event.acceptSeconds, as: { ewma: 30m } }',
  notes: `In the unit of \`of\`; null over nothing. A value that is a half-life older than another counts half as much; the weights
go by event time, so it does not matter when a value arrives, and between events the mean stays as it is. In any order of
events within 1e-9 of the magnitude of the values; null where they pass 1e289. Keeps 40 bytes: a mean that forgets, without
a window. Source: irregularly sampled exponential smoothing (Wright, Management Science 1986).`,
  open: ewma,
}
export default part
