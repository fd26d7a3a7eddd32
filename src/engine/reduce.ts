/**
 * Reduce: rows → state → sinks → commit. One step applies a bounded number of frames in memory, says the results,
 * and commits keys, timers, sources, clock and position in one atomic step. Sinks first, position last.
 */
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { ClearStop, MillraceError, RecordError } from '../core/errors.ts'
import type {
  Emission,
  EmissionBatch,
  Flow,
  Millis,
  OpenState,
  Position,
  Reducer,
  Sink,
  TaskId,
  Version,
} from '../core/model.ts'
import { compareVersions } from '../core/version.ts'
import type { DeadLetter } from './dead-letters.ts'
import { Inbox, type Slice } from './inbox.ts'
import { KeyCache } from './keys.ts'
import { lateLetter } from './late.ts'
import type { Frame } from './shuffle.ts'
import { Sources } from './sources.ts'
import { CHECK_EVERY, type Patience, readable, type Task, type TaskContext } from './task.ts'

/** How often an idle task asks its sinks whether they went back in time. */
const MARKS_EVERY: Millis = 30_000
/** Changes that touch no key (a clock moved on by heartbeats) are committed this often. */
const QUIET_COMMIT_EVERY: Millis = 1_000
/** Keys read from the store in one call. */
const READ_KEYS = 2_000

/** Where a reduce task's frames come from: a shuffle topic, or its own source read directly. */
export interface Intake {
  /** Topics whose partitions are the task's sources, for the clock. */
  readonly topics: readonly string[]
  readonly topic: string
  /** At every open, before the first slice. `meta` is what `encode` gave, empty at first. Answers the first position. */
  open(patiently: Patience, state: OpenState, meta: Uint8Array): Promise<Position>
  /** Frames of a slice; writes its dead letters first. */
  frames(slice: Slice): Promise<readonly Frame[]>
  /** How many records to take for about one frame. */
  readonly take: number
  /** How many records may wait before no more are accepted. */
  readonly inboxRecords: number
  /**
   * Event time that silence amounts to now, where the task moves its own clock; undefined otherwise. Asked at every tick.
   * Throws `topic-mismatch` when the topic has other partitions than it had.
   */
  silence?(position: Position): Promise<Millis | undefined>
  /** Has the log been read to its end since it was opened? Undefined where the frames say that of the logs behind it. */
  readonly live?: boolean
  encode(): Uint8Array
}

/** A frame whose rows from `from` on are new here; `clock`: the task's before it. */
interface NewRows extends Pick<Frame, 'source' | 'rows' | 'reached'> {
  readonly from: number
  readonly clock: Millis
}

interface Batch<S> {
  readonly position: Position
  readonly frames: readonly NewRows[]
  readonly rows: number
  /** Newest record timestamp behind the frames; NaN: none. */
  readonly stamp: Millis
  readonly states: Map<string, S>
  /** Last position that touched each key; keys that are only due are absent. */
  readonly causes: Map<string, Position>
}

export class ReduceTask<S = unknown> implements Task {
  readonly id: TaskId
  readonly flow: Flow
  readonly role = 'reduce'
  readonly inbox: Inbox
  position: Position = 0
  done: Position = 0
  private readonly partition: number
  private readonly generation: number
  /** Ids of all reduce tasks of the flow. */
  private readonly all: readonly TaskId[]
  private readonly intake: Intake
  private readonly context: TaskContext
  private readonly cache: KeyCache<S>
  private patiently!: Patience
  private state!: OpenState
  private reducer!: Reducer<S>
  private sources!: Sources
  /** Number of the last version given since the task opened. */
  private lastStep = 0
  private said: Version | undefined
  private toldLive = false
  private committedAt: Millis = 0
  private marksAt: Millis = 0
  private steppedAt: Millis = 0
  /** The last step had many rows: with sources far from their ends, the next may have as many. */
  private wasLarge = false

  constructor(flow: Flow, generation: number, partition: number, tasks: number, intake: Intake, context: TaskContext) {
    const name = (p: number) => `reduce/${flow.name}@${flow.generation}/${p}`
    this.id = name(partition)
    this.all = Array.from({ length: tasks }, (_, p) => name(p))
    this.flow = flow
    this.generation = generation
    this.partition = partition
    this.intake = intake
    this.inbox = new Inbox(intake.inboxRecords)
    this.context = context
    this.cache = new KeyCache(context.settings.cacheKeys)
  }

  async open(patiently: Patience): Promise<Position> {
    const { clock, state } = this.context
    this.patiently = patiently
    this.cache.clear()
    this.state = await patiently('opening the state', () => state.open(this.id))
    this.lastStep = 0
    this.said = undefined
    this.toldLive = false
    this.sources = new Sources(this.intake.topics)
    const { meta, slots } = readable(this.id, () => this.decodeMeta(this.state.meta))
    this.reducer = this.flow.reducer(slots) as Reducer<S>
    if (this.state.position === undefined) await this.refuseIfSaid()
    const first = await this.intake.open(patiently, this.state, meta)
    this.done = this.state.position ?? first
    if (this.state.position === undefined) await this.commit(new Map(), new Map())
    this.position = this.done
    this.committedAt = clock.now()
    await this.heal()
    return this.done
  }

  /** A sink that knows a task whose state is new tells that the state was lost. */
  private async refuseIfSaid(): Promise<void> {
    for (const sink of this.flow.sinks) {
      const mark = sink.mark && (await this.patiently('asking a sink', async () => sink.mark?.(this.id)))
      if (mark) throw new ClearStop('position-lost', `a sink has results of ${this.id}, the state has none`)
    }
  }

  async step(): Promise<void> {
    const { clock, metrics } = this.context
    await this.linger()
    const started = clock.now()
    this.steppedAt = started
    const batch = await this.gather()
    this.wasLarge = batch.rows >= this.context.settings.maxKeys
    await this.run(batch)
    const topology = this.flow.name
    metrics.batchRecords.observe({ topology, role: this.role }, batch.rows)
    metrics.batchSeconds.observe({ topology, role: this.role }, (clock.now() - started) / 1000)
    metrics.lag.set(
      { topology, topic: this.intake.topic, partition: this.partition },
      Math.max(0, this.inbox.end - this.done),
    )
    await this.tellLive()
  }

  /**
   * While the sources are far from their ends, a step waits for more frames, so that a key is read, evaluated and
   * written once for many rows. Who keeps up never waits.
   */
  private async linger(): Promise<void> {
    const { clock, settings } = this.context
    const left = this.steppedAt + settings.linger - clock.now()
    if (left > 0 && this.wasLarge && !this.isLive) await this.inbox.filled((full) => clock.wait(left, full))
  }

  /** Takes frames until enough rows or keys are touched. */
  private async gather(): Promise<Batch<S>> {
    const { settings, metrics } = this.context
    const batch = {
      position: this.done,
      frames: [] as NewRows[],
      rows: 0,
      stamp: Number.NaN,
      states: new Map<string, S>(),
      causes: new Map<string, Position>(),
    }
    const behind = this.inbox.waiting > 1
    const maxKeys = behind ? settings.maxKeysBehind : settings.maxKeys
    let repeated = 0
    while (batch.rows < settings.maxRows && batch.causes.size < maxKeys) {
      const slice = this.inbox.take(this.intake.take)
      if (!slice) break
      for (const frame of await this.intake.frames(slice)) {
        const { rows } = frame
        const before = this.sources.clock
        const from = this.sources.take(frame)
        repeated += from
        if (!(frame.stamp <= batch.stamp) && !Number.isNaN(frame.stamp)) batch.stamp = frame.stamp
        if (from >= rows.length) continue
        batch.frames.push({ ...frame, from, clock: before })
        batch.rows += rows.length - from
        const newest = new Float64Array(rows.keys.length).fill(-1)
        for (let row = from; row < rows.length; row++) newest[rows.keyOf[row] as number] = rows.position[row] as number
        for (const [key, position] of newest.entries())
          if (position >= 0) batch.causes.set(rows.keys[key] as string, position)
      }
      batch.position = slice.next
    }
    if (repeated > 0) metrics.rowsSkipped.inc({ topology: this.flow.name, reason: 'repeated' }, repeated)
    return batch
  }

  /** Applies, says, commits. Without rows and without due timers only the position and the clock move on. */
  private async run(batch: Batch<S>): Promise<void> {
    const { clock, metrics, settings, state } = this.context
    const time = this.sources.clock
    const due =
      this.state.nextDue <= time
        ? await this.patiently('reading timers', () => state.due(this.state, time, settings.maxKeysBehind))
        : []
    this.done = batch.position
    if (batch.causes.size === 0 && due.length === 0) {
      if (this.position !== this.done && clock.now() - this.committedAt >= QUIET_COMMIT_EVERY)
        await this.commit(new Map(), new Map())
      return
    }
    const keys = new Set(batch.causes.keys())
    for (const key of due) keys.add(key)
    await this.load([...keys], batch.states)
    const late = this.apply(batch)
    if (late.length > 0) await this.patiently('writing late rows', () => this.context.deadLetters.write(late))
    const bytes = new Map<string, Uint8Array | null>()
    const timers = new Map<string, Millis>()
    const emissions: Emission[] = []
    for (const [key, keyState] of batch.states)
      emissions.push(this.evaluate(key, keyState, time, batch.causes.get(key), bytes, timers))
    const version = await this.say(emissions)
    await this.commit(bytes, timers, version)
    this.cache.settle(batch.states.keys())
    const topology = this.flow.name
    metrics.recordsOut.inc({ topology }, emissions.length)
    metrics.cacheKeys.set({ topology }, this.cache.size)
    metrics.clock.set({ topology, partition: this.partition }, Number.isFinite(time) ? time / 1000 : 0)
    if (this.isLive && !Number.isNaN(batch.stamp))
      metrics.delay.observe({ topology }, Math.max(0, clock.now() - batch.stamp) / 1000)
  }

  /** Brings the states of all keys into memory: from the cache, else from the store in one round trip, segments in another. */
  private async load(keys: readonly string[], into: Map<string, S>): Promise<void> {
    const missing: string[] = []
    for (const key of keys) {
      const cached = this.cache.get(key)
      if (cached === undefined) missing.push(key)
      else into.set(key, cached)
    }
    const topology = this.flow.name
    this.context.metrics.cacheHits.inc({ topology }, keys.length - missing.length)
    this.context.metrics.cacheMisses.inc({ topology }, missing.length)
    const segments: { key: string; name: string; state: S }[] = []
    for (const [key, bytes] of await this.read(missing)) {
      const keyState = bytes === undefined ? this.reducer.create() : this.decode(bytes)
      into.set(key, keyState)
      this.cache.set(key, keyState)
      for (const name of this.reducer.missing(keyState))
        segments.push({ key: segmentKey(key, name), name, state: keyState })
    }
    await this.attach(segments)
  }

  private async attach(segments: readonly { key: string; name: string; state: S }[]): Promise<void> {
    if (segments.length === 0) return
    const found = new Map(await this.read(segments.map(({ key }) => key)))
    for (const { key, name, state } of segments) {
      const bytes = found.get(key)
      if (!bytes) throw new ClearStop('state-unreadable', `${this.id}: a segment of a key is missing`)
      readable(this.id, () => this.reducer.attach(state, name, bytes))
    }
  }

  private decode(bytes: Uint8Array): S {
    return readable(this.id, () => this.reducer.decode(bytes))
  }

  private async read(keys: readonly string[]): Promise<(readonly [string, Uint8Array | undefined])[]> {
    const found: (readonly [string, Uint8Array | undefined])[] = []
    for (let at = 0; at < keys.length; at += READ_KEYS) {
      const page = keys.slice(at, at + READ_KEYS)
      const bytes = await this.patiently('reading the state', () => this.context.state.read(this.state, page))
      for (const [i, key] of page.entries()) found.push([key, bytes[i]])
    }
    return found
  }

  /**
   * Answers the rows that came too late for what had closed. Which ones is decided by the clock as the log gives it, not
   * by how it was read, so that rows that are applied again are judged as they were before.
   */
  private apply(batch: Batch<S>): readonly DeadLetter[] {
    let late = 0
    const letters: DeadLetter[] = []
    for (const { source, rows, from, clock: before, reached } of batch.frames) {
      const apply = this.reducer.apply(rows)
      const lateFor = this.reducer.late?.(rows)
      const states = rows.keys.map((key) => batch.states.get(key))
      for (let row = from; row < rows.length; row++) {
        const clock = reached ? Math.max(before, reached[row] as number) : before
        if ((rows.time[row] as number) < clock) {
          late++
          const features = lateFor?.(row, clock) ?? []
          if (features.length > 0) letters.push(lateLetter(this.flow.name, source, rows, row, features, clock))
        }
        apply(states[rows.keyOf[row] as number] as S, row, clock)
      }
    }
    const topology = this.flow.name
    if (batch.rows > 0) this.context.metrics.rowsApplied.inc({ topology }, batch.rows)
    if (late > 0) this.context.metrics.rowsLate.inc({ topology }, late)
    return letters
  }

  /** The key's results as of the newer of its newest event and the clock; its bytes and its next timer. */
  private evaluate(
    key: string,
    keyState: S,
    clock: Millis,
    cause: Position | undefined,
    bytes: Map<string, Uint8Array | null>,
    timers: Map<string, Millis>,
  ): Emission {
    const { reducer } = this
    reducer.expire(keyState, clock)
    const at = Math.max(reducer.newest(keyState), clock)
    const causeName = cause === undefined ? `t${clock}` : `p${cause}`
    const { main, segments } = reducer.encode(keyState)
    for (const [name, part] of segments) bytes.set(segmentKey(key, name), part)
    if (reducer.isSpent(keyState, clock)) {
      bytes.set(key, null)
      timers.set(key, Number.POSITIVE_INFINITY)
      this.cache.delete(key)
      return { key, at, values: null, cause: causeName }
    }
    bytes.set(key, main)
    timers.set(key, Math.max(reducer.nextDue(keyState, at), clock + 1))
    return { key, at, values: reducer.evaluate(keyState, at), cause: causeName }
  }

  private nextVersion(): Version {
    return { generation: this.generation, epoch: this.state.epoch, step: ++this.lastStep }
  }

  /**
   * Writes the emissions to every sink; answers the version that all of them then have. A sink that turns out to have
   * gone back is told everything first; what that says has a newer version, so the emissions need a newer one still.
   */
  private async say(emissions: readonly Emission[]): Promise<Version> {
    for (;;) {
      const version = this.nextVersion()
      const batch: EmissionBatch = { task: this.id, version, upto: this.done, said: this.said, emissions }
      if (await this.writeTo(this.flow.sinks, batch)) return version
    }
  }

  /** False when a sink had to be told everything again. */
  private async writeTo(sinks: readonly Sink[], batch: EmissionBatch): Promise<boolean> {
    for (const sink of sinks) {
      const { behind, safe, refused = [] } = await this.patiently('writing results', () => sink.write(batch))
      if (behind) {
        await this.sayAll(sink)
        return false
      }
      if (safe < batch.upto) {
        throw new MillraceError('config-invalid', 'a sink that holds results back cannot follow a topology with state')
      }
      await this.sendRefused(batch, refused)
    }
    return true
  }

  private async sendRefused(
    batch: EmissionBatch,
    refused: readonly { index: number; code: string; reason: string }[],
  ): Promise<void> {
    const { deadLetters } = this.context
    const topology = this.flow.name
    const letters = refused.map(({ index, code, reason }) => ({
      topology,
      source: { topic: this.intake.topic, partition: this.partition, incarnation: this.flow.generation },
      record: {
        position: batch.upto,
        timestamp: batch.emissions[index]?.at ?? 0,
        key: null,
        headers: {},
        value: Buffer.from(JSON.stringify(batch.emissions[index])),
      },
      name: `${batch.emissions[index]?.key}@${batch.emissions[index]?.cause}`,
      error: new RecordError('sink-refused', `${code}: ${reason}`),
    }))
    await this.patiently('writing dead letters', () => deadLetters.write(letters))
  }

  /** A sink that went back in time is told every value again, from the committed state. */
  private async heal(): Promise<void> {
    this.marksAt = this.context.clock.now()
    const { said } = this
    if (!said) return
    for (const sink of this.flow.sinks) {
      if (!sink.mark) continue
      const mark = await this.patiently('asking a sink', async () => sink.mark?.(this.id))
      if (!mark || compareVersions(mark, said) < 0) await this.sayAll(sink)
    }
  }

  private async sayAll(sink: Sink): Promise<void> {
    this.context.log.warn({ task: this.id }, 'a sink has gone back in time: every value is said again')
    const version = this.nextVersion()
    const base = { task: this.id, version, upto: this.done, said: undefined }
    for await (const page of this.context.state.scan(this.state)) {
      const keys = page.map(([key]) => key).filter((key) => !key.includes('\0'))
      const states = new Map<string, S>()
      await this.reload(keys, states)
      const emissions = [...states].map(([key, keyState]) => {
        const at = Math.max(this.reducer.newest(keyState), this.sources.clock)
        return { key, at, values: this.reducer.evaluate(keyState, at), cause: `v${version.epoch}.${version.step}` }
      })
      await this.patiently('writing results', () => sink.write({ ...base, partial: true, emissions }))
    }
    await this.patiently('writing results', () => sink.write({ ...base, emissions: [] }))
  }

  /** Committed states of the keys, past the cache: what is in memory may be ahead of what was said. */
  private async reload(keys: readonly string[], into: Map<string, S>): Promise<void> {
    for (const [key, bytes] of await this.read(keys)) {
      if (!bytes) continue
      const keyState = this.decode(bytes)
      await this.attach(
        this.reducer.missing(keyState).map((name) => ({ key: segmentKey(key, name), name, state: keyState })),
      )
      into.set(key, keyState)
    }
  }

  /** Have all logs behind it been read to their ends since they were opened? */
  private get isLive(): boolean {
    return this.intake.live ?? this.sources.live
  }

  /** Tells the sinks once that it has caught up. */
  private async tellLive(): Promise<void> {
    if (this.toldLive || !this.isLive || this.inbox.waiting > 0) return
    if (this.position !== this.done) await this.commit(new Map(), new Map())
    const generation = await this.patiently('asking for the rank', () => this.context.rank(this.flow))
    for (const sink of this.flow.sinks) {
      const version = { ...this.nextVersion(), generation }
      await this.patiently('telling a sink', async () => sink.caughtUp?.(this.id, version, this.all))
    }
    this.toldLive = true
  }

  async tick(): Promise<void> {
    const { clock, state } = this.context
    const silence = await this.intake.silence?.(this.done)
    if (this.inbox.waiting > 0) return
    if (silence !== undefined && silence > this.sources.clock && this.state.nextDue <= silence) {
      this.sources.advance(silence)
      await this.commit(new Map(), new Map())
    }
    while (this.state.nextDue <= this.sources.clock) await this.run(this.nothing())
    if (this.position !== this.done) await this.commit(new Map(), new Map())
    else if (clock.now() - this.committedAt >= CHECK_EVERY) {
      await this.patiently('checking the state', () => state.check(this.state))
      this.committedAt = clock.now()
    }
    if (clock.now() - this.marksAt >= MARKS_EVERY) await this.heal()
    await this.tellLive()
  }

  private nothing(): Batch<S> {
    return { position: this.done, frames: [], rows: 0, stamp: Number.NaN, states: new Map(), causes: new Map() }
  }

  async settle(): Promise<void> {
    if (this.position !== this.done) await this.commit(new Map(), new Map())
    for (const sink of this.flow.sinks) await this.patiently('flushing a sink', async () => sink.flush?.(this.id))
  }

  private async commit(
    keys: Map<string, Uint8Array | null>,
    timers: Map<string, Millis>,
    said?: Version,
  ): Promise<void> {
    const { clock, metrics, state } = this.context
    const started = clock.now()
    if (said) this.said = said
    await state.commit(this.state, { position: this.done, meta: this.encodeMeta(), keys, timers })
    this.position = this.done
    this.committedAt = clock.now()
    metrics.commitSeconds.observe({ topology: this.flow.name, role: this.role }, (this.committedAt - started) / 1000)
  }

  private encodeMeta(): Buffer {
    const to = new ByteWriter(512)
    to.text(this.flow.definition)
    to.double(this.flow.declaredAt)
    to.varint(this.reducer.slots.length)
    for (const slot of this.reducer.slots) to.text(slot)
    to.double(this.said?.generation ?? Number.NaN)
    to.double(this.said?.epoch ?? Number.NaN)
    to.double(this.said?.step ?? Number.NaN)
    this.sources.encode(to)
    to.block(this.intake.encode())
    return to.take()
  }

  /** Takes over what the last owner knew. Of two definitions the later declared one writes; the other stops here. */
  private decodeMeta(bytes: Uint8Array): { slots: string[]; meta: Uint8Array } {
    if (bytes.length === 0) return { slots: [], meta: bytes }
    const from = new ByteReader(bytes)
    const definition = from.text()
    const declaredAt = from.double()
    if (definition !== this.flow.definition && declaredAt > this.flow.declaredAt) {
      throw new ClearStop(
        'definition-older',
        `${this.id} was last written by a definition declared at ${new Date(declaredAt).toISOString()}`,
      )
    }
    const slots = Array.from({ length: from.varint() }, () => from.text())
    const [generation, epoch, step] = [from.double(), from.double(), from.double()]
    this.said = Number.isNaN(epoch) ? undefined : { generation, epoch, step }
    this.sources.decode(from)
    return { slots, meta: from.block() }
  }
}

const segmentKey = (key: string, name: string): string => `${key}\0${name}`
