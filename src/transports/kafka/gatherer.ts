/**
 * What many tasks write at about the same time goes to a broker in one request, and what they write to one partition in one batch: the
 * price of a request, and of a batch in the broker's log, is then paid per round trip and not per task. Who writes much waits for nobody, and shares a request with nobody.
 */
import { nameOf } from '../../core/partition.ts'
import { RecordBatch } from './record-batch.ts'

/** So much is gathered for a request, and goes out at once, whether or not another is under way. */
const ENOUGH_BYTES = 128 << 10
/** Kafka's codes for a batch, or a record in it, that is larger than `max.message.bytes` of the topic. */
export const TOO_LARGE: readonly (number | undefined)[] = [10, 18]
/** A batch was too large with what others wrote to its partition: to be given again, and then goes by itself. */
export const CROWDED = -1_000

/** What one partition gets in one batch. */
export interface Parcel {
  readonly topic: string
  readonly partition: number
  readonly batch: RecordBatch
}

/** Kafka's error code by `topic/partition`; 0 where every in-sync replica has the records. */
export type Codes = ReadonlyMap<string, number>

interface Call {
  readonly parcels: readonly Parcel[]
  readonly bytes: number
  readonly answer: PromiseWithResolvers<Codes>
}

/** Requests to one broker. */
export class Gatherer {
  private readonly send: (parcels: readonly Parcel[]) => Promise<Codes>
  private waiting: Call[] = []
  /** Of those that wait. */
  private bytes = 0
  private underWay = 0
  private isDue = false
  /** Topics whose batches are never put together: they take less than usual. */
  private readonly strict = new Set<string>()

  constructor(send: (parcels: readonly Parcel[]) => Promise<Codes>) {
    this.send = send
  }

  /** Of parcels for different partitions. Rejects as the request does. */
  produce(parcels: readonly Parcel[]): Promise<Codes> {
    const answer = Promise.withResolvers<Codes>()
    const bytes = parcels.reduce((sum, { batch }) => sum + batch.length, 0)
    this.waiting.push({ parcels, bytes, answer })
    this.bytes += bytes
    this.arrange()
    return answer.promise
  }

  /** At the end of this turn of the event loop: until then other tasks write too. */
  private arrange(): void {
    if (this.isDue || this.waiting.length === 0) return
    this.isDue = true
    setImmediate(() => {
      this.isDue = false
      if (this.underWay === 0 || this.bytes >= ENOUGH_BYTES) void this.sendOne()
    })
  }

  private async sendOne(): Promise<void> {
    const { calls, parcels } = this.take()
    this.arrange()
    this.underWay++
    try {
      const codes = await this.send([...parcels.values()])
      for (const call of calls) call.answer.resolve(this.codesFor(call, codes, parcels))
    } catch (error) {
      for (const { answer } of calls) answer.reject(error)
    } finally {
      this.underWay--
      this.arrange()
    }
  }

  /** The oldest call, and those after it as far as they fit; with what each partition gets of them, by its name. */
  private take(): { calls: Call[]; parcels: Map<string, Parcel> } {
    const calls: Call[] = []
    const parcels = new Map<string, Parcel>()
    let bytes = 0
    for (const call of this.waiting) {
      if (calls.length > 0 && (bytes + call.bytes > ENOUGH_BYTES || this.isStrict(call, parcels))) break
      calls.push(call)
      bytes += call.bytes
      for (const parcel of call.parcels) {
        const before = parcels.get(nameOf(parcel))
        parcels.set(nameOf(parcel), before ? together(before, parcel) : parcel)
      }
    }
    this.waiting = this.waiting.slice(calls.length)
    this.bytes -= bytes
    return { calls, parcels }
  }

  private isStrict({ parcels }: Call, taken: ReadonlyMap<string, Parcel>): boolean {
    return parcels.some((parcel) => this.strict.has(parcel.topic) && taken.has(nameOf(parcel)))
  }

  private codesFor({ parcels }: Call, codes: Codes, sent: ReadonlyMap<string, Parcel>): Codes {
    const own = new Map<string, number>()
    for (const parcel of parcels) {
      const name = nameOf(parcel)
      const code = codes.get(name)
      if (code === undefined) continue
      const isCrowded = TOO_LARGE.includes(code) && sent.get(name) !== parcel
      if (isCrowded) this.strict.add(parcel.topic)
      own.set(name, isCrowded ? CROWDED : code)
    }
    return own
  }
}

const together = (one: Parcel, other: Parcel): Parcel => ({
  ...one,
  batch: RecordBatch.of([one.batch, other.batch]),
})
