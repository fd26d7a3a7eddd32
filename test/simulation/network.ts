/**
 * What lies between the engine and its services: every call waits here until the seed says that it arrives, and its answer until the
 * seed says that it comes back. On the way it may be lost, answered with an error though it took effect, or take effect later.
 */
import { MillraceError } from '../../src/core/errors.ts'
import type { Host } from './host.ts'
import type { Random, Trace } from './random.ts'

/** What a call that failed may do to its service, beside nothing and everything: answered by how much of it was done. */
export interface Effects<T> {
  readonly all: () => Promise<T>
  /** Does some of it now; answers what does the rest, later. */
  readonly some?: () => { readonly rest: () => Promise<unknown> }
  /** It may never be answered. */
  readonly isSilent?: true
}

interface InFlight {
  readonly host: Host
  readonly what: string
  /** The call, on its way to the service; undefined once it has arrived. */
  arrive: (() => void) | undefined
  /** The answer, on its way back. */
  answer: (() => void) | undefined
}

export interface Faults {
  /** Share of calls that fail. */
  share: number
  /** How calls begin that reach nobody for now. */
  away?: string | undefined
  /** May calls take effect after they have failed? */
  readonly late: boolean
}

/** Events that only the world sees to, such as a rebalance that a member has not heard of yet. */
export interface Happening {
  readonly host: Host
  readonly what: string
  readonly run: () => void
}

export class Network {
  readonly faults: Faults
  readonly trace: Trace
  private readonly random: Random
  private readonly inFlight: InFlight[] = []
  private late: { readonly what: string; readonly run: () => Promise<unknown> }[] = []
  private readonly happenings: Happening[] = []

  constructor(faults: Faults, random: Random, trace: Trace) {
    this.faults = faults
    this.random = random
    this.trace = trace
  }

  /** Sends a call. `note` is what the trace tells of it and of its answer. */
  send<T>(host: Host, what: string, effects: Effects<T>, fallible = true, note?: (answer: T) => string): Promise<T> {
    this.trace.note(host.name, 'calls', what)
    return new Promise<T>((resolve, reject) => {
      const call: InFlight = { host, what, arrive: undefined, answer: undefined }
      call.arrive = () => {
        call.arrive = undefined
        const outcome = this.outcome(what, effects, fallible)
        outcome.then(
          (answer) => {
            if (note) this.trace.note(what, 'answers', note(answer))
          },
          (error: unknown) => this.trace.note(what, 'fails', String(error)),
        )
        call.answer = () => outcome.then(resolve, reject)
      }
      this.inFlight.push(call)
    })
  }

  private outcome<T>(what: string, { all, some, isSilent }: Effects<T>, fallible: boolean): Promise<T> {
    const { share, away } = this.faults
    if (away !== undefined && what.startsWith(away))
      return Promise.reject(new MillraceError('transport-failed', 'cannot be reached'))
    if (!fallible || !this.random.chance(share)) return all()
    if (isSilent && this.random.chance(0.5)) return this.random.chance(0.5) ? all().then(never) : never()
    const kind = this.random.int(some ? 4 : 3)
    const failed = (how: string) => Promise.reject(new MillraceError('transport-failed', how))
    if (kind === 0) return failed('not done')
    if (kind === 1) return all().then(() => failed('done, but the answer was lost'))
    if (kind === 2) {
      if (this.faults.late) this.late.push({ what, run: all })
      return failed('no answer: it comes later, or never')
    }
    const { rest } = (some as NonNullable<typeof some>)()
    if (this.faults.late && this.random.chance(0.5)) this.late.push({ what, run: rest })
    return failed('some of it is done')
  }

  /** Something that a host will notice at some time. */
  happens(host: Host, what: string, run: () => void): void {
    this.happenings.push({ host, what, run })
  }

  /** Is there something that can go on without time passing? */
  get isBusy(): boolean {
    return (
      this.inFlight.some(({ host, answer }) => host.isRunning || (answer === undefined && !host.isDead)) ||
      this.happenings.some(({ host }) => host.isRunning)
    )
  }

  /** Lets one of the things that are on their way arrive. */
  step(): void {
    const total = this.inFlight.length + this.happenings.length
    if (total === 0) return
    const index = this.random.int(total)
    if (index < this.inFlight.length) this.stepCall(index)
    else this.stepHappening(index - this.inFlight.length)
  }

  private stepCall(index: number): void {
    const call = this.inFlight[index] as InFlight
    const { host, what } = call
    if (host.isDead) {
      // what it had sent may still arrive
      remove(this.inFlight, index)
      if (call.arrive && this.random.chance(0.5)) call.arrive()
      return
    }
    if (call.arrive) {
      this.trace.note(what, 'arrives')
      call.arrive()
      if (this.random.chance(0.5)) return
    }
    if (!host.isRunning || !call.answer) return
    remove(this.inFlight, index)
    call.answer()
  }

  private stepHappening(index: number): void {
    const { host, what, run } = this.happenings[index] as Happening
    if (host.isDead) remove(this.happenings, index)
    if (!host.isRunning) return
    remove(this.happenings, index)
    this.trace.note(host.name, what)
    run()
  }

  /** Calls that come after their failure was told arrive now: each with this chance. */
  comeLate(share: number): void {
    const now = this.late.filter(() => this.random.chance(share))
    this.late = this.late.filter((call) => !now.includes(call))
    for (const { what, run } of now) {
      this.trace.note(what, 'comes late')
      run().catch((error: unknown) => this.trace.note(what, 'is refused', String(error)))
    }
  }
}

/** Whoever waits for an answer waits for ever. */
const never = () => new Promise<never>(() => undefined)

function remove<T>(from: T[], index: number): void {
  const last = from.pop() as T
  if (index < from.length) from[index] = last
}
