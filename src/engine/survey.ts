/** What is the same of a batch for all mappers that read it together, looked at once: a hundred of them would look a hundred times. */
import { RecordError } from '../core/errors.ts'
import type { Event, InputRecord, Millis, RowPlan } from '../core/model.ts'

/** Of each record the number of its value, counted from 0 as they are met; alike where the values are. */
export interface Numbered {
  readonly of: Uint32Array
  readonly count: number
}

/** Where values are hardly ever met again, numbering them is no gain: records for each of them on the average. */
const MET_AGAIN = 4

export class Survey {
  /** Timestamps of the records. */
  readonly stamps: Float64Array
  private readonly records: readonly InputRecord[]
  private readonly event: (index: number) => Event | RecordError
  private readonly times = new Map<RowPlan['time'], Float64Array>()
  private readonly numbers = new Map<string, Numbered | undefined>()

  /** `event`: that of a record that has a value. */
  constructor(records: readonly InputRecord[], event: (index: number) => Event | RecordError) {
    this.records = records
    this.event = event
    this.stamps = Float64Array.from(records, ({ timestamp }) => timestamp)
  }

  /** Event times; NaN where a record has none that will do, or is no event: who wants to know why looks itself. */
  timesBy(timeOf: RowPlan['time'], skew: Millis): Float64Array {
    let times = this.times.get(timeOf)
    if (!times) {
      times = this.stamps.map((stamp, i) => {
        const event = this.eventAt(i)
        const time = event === undefined ? Number.NaN : timeOf === undefined ? stamp : (timeOf(event) ?? Number.NaN)
        return Number.isFinite(time) && time <= stamp + skew ? time : Number.NaN
      })
      this.times.set(timeOf, times)
    }
    return times
  }

  /** Numbers of what these fields are together; undefined where they cannot be told apart, or nearly every record has its own. */
  numbersBy(fields: readonly string[]): Numbered | undefined {
    const name = JSON.stringify(fields)
    if (!this.numbers.has(name)) this.numbers.set(name, this.numbered(fields))
    return this.numbers.get(name)
  }

  private numbered(fields: readonly string[]): Numbered | undefined {
    const [field, ...others] = fields
    if (field === undefined) return { of: new Uint32Array(this.records.length), count: 1 }
    if (others.length === 0) return this.number((i) => this.eventAt(i)?.[field])
    const [one, rest] = [this.numbersBy([field]), this.numbersBy(others)]
    return one && rest && this.number((i) => (one.of[i] as number) * rest.count + (rest.of[i] as number))
  }

  private number(of: (index: number) => unknown): Numbered | undefined {
    const known = new Map<unknown, number>()
    const numbers = new Uint32Array(this.records.length)
    for (let i = 0; i < numbers.length; i++) {
      const value = of(i)
      // records, lists and bytes are other objects each time, and a Map takes -0 for 0
      if ((typeof value === 'object' && value !== null) || Object.is(value, -0)) return undefined
      let number = known.get(value)
      if (number === undefined) {
        number = known.size
        known.set(value, number)
      }
      numbers[i] = number
    }
    return known.size * MET_AGAIN > numbers.length ? undefined : { of: numbers, count: known.size }
  }

  private eventAt(index: number): Event | undefined {
    if ((this.records[index] as InputRecord).value === null) return undefined
    const event = this.event(index)
    return event instanceof RecordError ? undefined : event
  }
}
