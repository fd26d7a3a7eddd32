/**
 * Reduce: rows → state → sinks → commit. One step applies a bounded number of frames in memory, says the results,
 * and commits keys, timers, sources, clock and position in one atomic step. Sinks first, position last.
 */
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { Fenced } from '../core/errors.ts'
import type { Emission, FeatureFlow, Millis, Position, TaskId } from '../core/model.ts'
import { type CarefulWork, computeCarefully } from './careful.ts'
import { type Computed, compute } from './compute.ts'
import { Inbox, type Slice } from './inbox.ts'
import type { Intake } from './intake.ts'
import { KeyStates } from './key-states.ts'
import { Ledger } from './ledger.ts'
import { reduceTask } from './names.ts'
import { Outputs } from './outputs.ts'
import { OwnCalls } from './own-code.ts'
import { commitInterval } from './pace.ts'
import { RowsByKey } from './rows-by-key.ts'
import { Sources } from './sources.ts'
import { type Patience, readable, refuseOlder, type Task, type TaskContext } from './task.ts'

/** Changes that touch no key (a clock moved on by heartbeats) are committed this often. */
const QUIET_COMMIT_EVERY: Millis = 1_000
/** Rows for each key, on the average, from which on a step is worth what results and commits cost. */
const MANY = 32
/** Part of its time that a step lingers without any row. */
const QUIET = 0.3
/** Rows of a step where code of one's own takes part: what it may take for a batch is the same as for a row. */
const OWN_ROWS = 1_000

interface Batch {
  readonly position: Position
  readonly rows: RowsByKey
  /** Newest record timestamp behind the frames; NaN: none. */
  readonly stamp: Millis
  readonly each: boolean
}

export class ReduceTask<S = unknown> implements Task {
  readonly id: TaskId
  readonly flow: FeatureFlow
  readonly role = 'reduce'
  readonly inbox: Inbox
  readonly topic: string
  readonly partition: number
  readonly generation: number
  /** Ids of all reduce tasks of the flow. */
  private readonly all: readonly TaskId[]
  private readonly intake: Intake
  private readonly context: TaskContext
  private readonly keys: KeyStates<S>
  private readonly outputs: Outputs
  private readonly ledger: Ledger
  private patiently!: Patience
  private sources = new Sources([])
  /** Where code of one's own takes part. */
  private readonly calls: OwnCalls | undefined

  constructor(
    flow: FeatureFlow,
    generation: number,
    partition: number,
    tasks: number,
    intake: Intake,
    context: TaskContext,
  ) {
    this.id = reduceTask(flow, partition)
    this.all = Array.from({ length: tasks }, (_, p) => reduceTask(flow, p))
    this.flow = flow
    this.generation = generation
    this.partition = partition
    this.intake = intake
    this.topic = intake.topic
    this.inbox = new Inbox(intake.inboxRecords)
    this.context = context
    this.outputs = new Outputs(this, context)
    this.calls = flow.own && new OwnCalls(flow.own, this.id, context.clock)
    this.keys = new KeyStates(this, this.calls, context)
    this.ledger = new Ledger(this, context, () => this.encodeMeta())
  }

  get position(): Position {
    return this.ledger.position
  }

  get done(): Position {
    return this.ledger.done
  }

  get clock(): Millis {
    return this.sources.clock
  }

  get trouble(): string | undefined {
    return this.intake.trouble
  }

  get cachedKeys(): number {
    return this.keys.cache.size
  }

  async open(patiently: Patience): Promise<Position> {
    this.patiently = patiently
    const claim = await this.ledger.open(patiently)
    this.outputs.open(patiently, claim.epoch)
    this.sources = new Sources(this.intake.topics)
    const { meta, slots } = readable(this.id, () => this.decodeMeta(claim.meta))
    this.keys.open(patiently, claim, slots)
    const isNew = claim.position === undefined
    if (isNew) await this.outputs.refuseIfSaid()
    await this.ledger.begin(await this.intake.open(patiently, this.ledger, meta))
    await this.outputs.heal()
    // before anything is said by this claim
    if (!isNew) await this.ledger.commit()
    return this.done
  }

  async step(): Promise<void> {
    const { clock, metrics } = this.context
    const started = clock.monotonic()
    const batch = await this.gather(started)
    await this.run(batch)
    const topology = this.flow.name
    metrics.batchRecords.observe({ topology, role: this.role }, batch.rows.length)
    metrics.batchSeconds.observe({ topology, role: this.role }, (clock.monotonic() - started) / 1000)
    await this.tellLive()
  }

  /** Takes frames until enough rows or keys are touched, or none are left that are worth waiting for. */
  private async gather(started: Millis): Promise<Batch> {
    const { settings, metrics } = this.context
    const batch = {
      position: this.done,
      rows: new RowsByKey(),
      stamp: Number.NaN,
      each: this.flow.emitsEach ?? false,
    }
    const behind = this.inbox.waiting > 1 || !this.isLive
    const maxKeys = behind ? settings.maxKeysBehind : settings.maxKeys
    let repeated = 0
    let isNear = false
    const maxRows = this.flow.own ? OWN_ROWS : settings.maxRows
    while (batch.rows.length < maxRows && batch.rows.keys.size < maxKeys) {
      const slice: Slice | undefined =
        this.inbox.take(this.intake.take) ?? (isNear ? undefined : await this.more(batch.rows, started))
      if (!slice) break
      for (const frame of await this.intake.frames(slice)) {
        const { rows } = frame
        const before = this.sources.clock
        const from = this.sources.take(frame)
        repeated += from
        isNear ||= frame.live && from < rows.length
        if (!(frame.stamp <= batch.stamp) && !Number.isNaN(frame.stamp)) batch.stamp = frame.stamp
        if (from < rows.length) batch.rows.add({ ...frame, from, clock: before })
      }
      batch.position = slice.next
    }
    if (repeated > 0) metrics.rowsSkipped.inc({ topology: this.flow.name, reason: 'repeated' }, repeated)
    return batch
  }

  /**
   * As long as all that a step has taken comes from sources that were not read to their ends yet, it waits for more frames, so that
   * a key is read, evaluated and written once for many rows: until there are many for each key, or none have come for a while.
   */
  private async more(rows: RowsByKey, started: Millis): Promise<Slice | undefined> {
    const { clock, settings } = this.context
    const left = started + settings.linger - clock.monotonic()
    if (left <= 0 || rows.length >= rows.keys.size * MANY) return undefined
    await this.inbox.ready((arrival) => clock.wait(Math.min(left, settings.linger * QUIET), arrival))
    return this.inbox.take(this.intake.take)
  }

  /** Applies, says, commits. Without rows and without due timers only the position and the clock move on. */
  private async run(batch: Batch): Promise<void> {
    const { clock, metrics } = this.context
    const time = this.sources.clock
    const due = this.ledger.claim.nextDue <= time ? await this.due(time) : []
    this.ledger.done = batch.position
    if (batch.rows.length === 0 && due.length === 0)
      return this.ledger.commitEvery(commitInterval(QUIET_COMMIT_EVERY, this.context.load))
    const keys = [...new Set([...batch.rows.keys.keys(), ...due])]
    const { bytes, timers, emissions, letters } = await this.compute(batch, keys, due, time)
    if (letters.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(letters))
    const version = await this.outputs.write(emissions)
    this.outputs.said = version
    await this.ledger.commit({ keys: bytes, timers })
    this.keys.cache.settle(keys)
    const topology = this.flow.name
    if (this.isLive && !Number.isNaN(batch.stamp))
      metrics.delay.observe({ topology }, Math.max(0, clock.now() - batch.stamp) / 1000)
  }

  /** Keys whose timers the clock has passed. There is one at least, in the state that was committed last. */
  private async due(time: Millis): Promise<readonly string[]> {
    const { settings, state } = this.context
    const { claim } = this.ledger
    const due = await this.patiently('reading timers', () => state.due(claim, time, settings.maxKeysBehind))
    if (due.length === 0) throw new Fenced('the state went back in time')
    return due
  }

  /** Applies and evaluates, in memory. `keys`: all that have rows or are due. */
  private async compute(
    { rows, each }: Batch,
    keys: readonly string[],
    due: readonly string[],
    clock: Millis,
  ): Promise<Computed> {
    const { name: topology } = this.flow
    const states = await this.keys.load(keys)
    const whole = () => compute(topology, this.keys.reducer, { rows, states, each }, clock)
    const parts = { topology, frames: rows.frames, due: new Set(due), each, clock }
    const computed = this.calls ? await this.computeOwn(this.calls, whole, keys, parts) : whole()
    for (const key of computed.spent) this.keys.cache.delete(key)
    if (rows.length > 0) this.context.metrics.rowsApplied.inc({ topology }, rows.length)
    if (computed.late > 0) this.context.metrics.rowsLate.inc({ topology }, computed.late)
    return computed
  }

  /** As one piece, since nearly always nothing fails; else what is in memory is half done, and the rows are taken one by one. */
  private async computeOwn(
    calls: OwnCalls,
    whole: () => Computed,
    keys: readonly string[],
    parts: Omit<CarefulWork, 'images'>,
  ): Promise<Computed> {
    const attempt = calls.attempt(whole)
    if ('answer' in attempt) return attempt.answer
    this.keys.renew()
    const images = await this.keys.images(keys)
    const careful = await computeCarefully(() => this.keys.renew(), calls, { ...parts, images })
    for (const [key, state] of careful.states) this.keys.cache.set(key, state)
    return careful.computed
  }

  async *everything(cause: string): AsyncGenerator<readonly Emission[]> {
    const { keys } = this
    for await (const states of keys.committed())
      yield keys.limited(() =>
        [...states].map(([key, keyState]) => {
          const at = Math.max(keys.reducer.newest(keyState), this.sources.clock)
          return { key, at, values: keys.reducer.evaluate(keyState, at), cause }
        }),
      )
  }

  /** Have all logs behind it been read to their ends since they were opened? */
  private get isLive(): boolean {
    return this.intake.live ?? this.sources.live
  }

  private async tellLive(): Promise<void> {
    if (this.outputs.toldLive || !this.isLive || this.inbox.waiting > 0) return
    await this.ledger.settle()
    await this.outputs.tellLive(this.all)
  }

  async tick(): Promise<void> {
    const silence = await this.intake.silence?.(this.done)
    if (this.inbox.waiting > 0) return
    if (silence !== undefined && silence > this.sources.clock && this.ledger.claim.nextDue <= silence) {
      this.sources.advance(silence)
      await this.ledger.commit()
    }
    while (this.ledger.claim.nextDue <= this.sources.clock) await this.run(this.nothing())
    await this.ledger.tick(commitInterval(0, this.context.load))
    await this.outputs.tick()
    await this.tellLive()
  }

  private nothing(): Batch {
    return { position: this.done, rows: new RowsByKey(), stamp: Number.NaN, each: this.flow.emitsEach ?? false }
  }

  async settle(): Promise<void> {
    await this.ledger.settle()
    await this.outputs.flush()
  }

  private encodeMeta(): Buffer {
    const to = new ByteWriter(512)
    to.text(this.flow.definition)
    to.double(this.flow.declaredAt)
    to.varint(this.keys.reducer.slots.length)
    for (const slot of this.keys.reducer.slots) to.text(slot)
    const { said } = this.outputs
    to.double(said?.generation ?? Number.NaN)
    to.double(said?.epoch ?? Number.NaN)
    to.double(said?.step ?? Number.NaN)
    this.sources.encode(to)
    to.block(this.intake.encode())
    to.double(this.ledger.claim.epoch)
    return to.take()
  }

  /** Takes over what the last owner knew. Of two definitions the later declared one writes; the other stops here. */
  private decodeMeta(bytes: Uint8Array): { slots: string[]; meta: Uint8Array } {
    if (bytes.length === 0) return { slots: [], meta: bytes }
    const from = new ByteReader(bytes)
    refuseOlder(this.id, this.flow, from.text(), from.double())
    const slots = Array.from({ length: from.varint() }, () => from.text())
    const [generation, epoch, step] = [from.double(), from.double(), from.double()]
    this.outputs.said = Number.isNaN(epoch) ? undefined : { generation, epoch, step }
    this.sources.decode(from)
    const meta = from.block()
    if (from.left > 0) this.outputs.known = from.double()
    return { slots, meta }
  }
}
