/**
 * The vocabulary of Millrace, in the order in which data meets it: topics, records, rows, state,
 * aggregations, emissions, sinks. Pure types; every other file speaks in these words. It is over 500 lines so that all
 * contracts are read in one go.
 *
 * Units: every time is in milliseconds since 1970-01-01T00:00:00Z; every size in bytes.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

// ---------------------------------------------------------------- topics and records

/** Milliseconds since the epoch, UTC. Event time or wall time, as the name of the variable says. */
export type Millis = number

/**
 * Where a record stands in its partition; a whole number, 0 ≤ p < 2^40, growing but not always by one.
 * "The position to go on from" is the position after the last record processed.
 */
export type Position = number

/** Names one partition of a topic. */
export interface Partition {
  readonly topic: string
  readonly partition: number
}

/** One record as a transport hands it out. `value` is null for a tombstone. */
export interface InputRecord {
  readonly position: Position
  /** The record's own timestamp, as its producer or the log stamped it. */
  readonly timestamp: Millis
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer>>
}

/** Consecutive records of one partition; none where the log holds only what nobody reads, such as markers of transactions. */
export interface Batch extends Partition {
  readonly records: readonly InputRecord[]
  /** Position to go on from after this batch. */
  readonly next: Position
  /** Where the log ended when this batch was read: `next >= end` means "read to the end, as of then". */
  readonly end: Position
}

/** A record to be written. Without `partition` it goes to murmur2(key) mod partitions, as Kafka's own clients place it. */
export interface Draft {
  readonly topic: string
  readonly partition?: number
  readonly key: Buffer | string | null
  readonly value: Buffer | null
  readonly timestamp?: Millis
  readonly headers?: Readonly<Record<string, string | Buffer>>
}

/** A topic that is to be made. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  /** How long records are kept; -1 keeps them for ever. Measured against record timestamps. */
  readonly retentionMs: number
  /** Keep the newest record of each key instead of forgetting by age. */
  readonly compacted?: boolean
  /** Drafts for it say no timestamp: the log stamps them, by its own clock where it has one, so no writer's clock counts. */
  readonly stampedByLog?: boolean
}

/** What is known of a topic that stands. */
export interface TopicInfo {
  readonly partitions: number
  /** Changes when the topic is deleted and made again under the same name. Never empty. */
  readonly incarnation: string
}

/** First position kept, and the position the next record will get. */
export interface Range {
  readonly start: Position
  readonly end: Position
}

// ---------------------------------------------------------------- transport

/** What a member of a group is told. The engine implements it; the transport calls it. */
export interface MemberEvents {
  /**
   * The partition is this member's now; answers where to read from. Called once per assignment, before the
   * first batch; not called again for a partition that stays here through a rebalance (the transport goes on
   * where it was). If it rejects, the partition is not read, and the transport calls it again after a pause.
   */
  opened(partition: Partition): Promise<Position>
  /** The partition is another's, or the member has left. May come late: only the state's fence protects. */
  closed(partition: Partition): void
  /**
   * One batch, in order per partition, at least once. Resolves when the batch has been *accepted*; until then
   * no further batch of this partition is delivered, while the others go on. Never rejects.
   */
  batch(batch: Batch): Promise<void>
}

/** A member of a group, for as long as it stays. */
export interface Membership {
  /** Why it is out of the group just now, for people; undefined while it is in it. It goes on trying. */
  readonly trouble?: string | undefined
  /** Tells the group how far we are, for lag displays and to notice loss. Never decides where reading goes on. */
  commit(positions: readonly { readonly partition: Partition; readonly position: Position }[]): Promise<void>
  /** Reads on from another position; batches fetched before it are dropped. No-op when the partition is not here. */
  seek(partition: Partition, position: Position): void
  /**
   * Reads these topics from now on, which must exist, instead of those before. What is open of a topic that stays is not
   * closed for it, unless the group gives it to another member.
   */
  subscribe(topics: readonly string[]): Promise<void>
  /** Leaves the group: no callback comes after it resolves, except `closed`, which comes before. */
  leave(): Promise<void>
}

/** Bytes in topics: ordered per partition, delivered at least once. */
export interface Transport {
  /** What is known of these topics; a missing topic is absent from the answer. */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  /** Makes the topic; no-op when it stands with as many partitions. Throws `topic-mismatch` when with another number. */
  create(spec: TopicSpec): Promise<void>
  /** Deletes the topic with all its records; no-op when there is none. */
  deleteTopic(name: string): Promise<void>
  /** Every partition's range *now*. Throws when it can't be read: not being able to read is not silence. */
  ranges(topic: string): Promise<readonly Range[]>
  /** Position of the first record stamped at or after `time`; the end where there is none. */
  positionAt(partition: Partition, time: Millis): Promise<Position>
  /** What the group last told by `Membership.commit`, per partition. */
  committed(group: string, topic: string): Promise<readonly (Position | undefined)[]>
  /**
   * One batch from `position` on, whoever has the partition in whatever group; with `next` = `position` where the log has no
   * more now. Throws `position-outside-log` when the position is outside the log. For a task that has to catch up.
   */
  read(partition: Partition, position: Position): Promise<Batch>
  /** Joins; topics must exist, none is fine. Partitions of a topic that grows are taken up while the member stays. */
  join(group: string, topics: readonly string[], on: MemberEvents): Promise<Membership>
  /**
   * Resolves when every draft is durable. Drafts for one partition keep their order. When it rejects, any of
   * them may or may not have been written, or may still be.
   */
  write(drafts: readonly Draft[]): Promise<void>
  /** Gives up all connections; members that have not left do so. Nothing is called after it. */
  close(): Promise<void>
}

// ---------------------------------------------------------------- schemas and decoding

/** A schema registry: ids are global, subjects have versions. */
export interface Registry {
  /** The schema a writer used. Throws `schema-unknown` when the registry answers that there is none; other failures are transient. */
  schema(id: number): Promise<unknown>
  /** Newest schema of a subject (`<topic>-value`), undefined when there is none. */
  latest(subject: string): Promise<{ readonly id: number; readonly schema: unknown } | undefined>
  /** Registers and answers the id; the same schema again answers the same id. Throws `schema-incompatible`. */
  register(subject: string, schema: unknown): Promise<number>
  /** Gives up all connections. Nothing is called after it. */
  close(): Promise<void>
}

/**
 * Decodes the values of one topic. `record` throws a `RecordError` for bytes that can never be decoded
 * (dead letter), and `prepare` resolves when every schema id among `records` is known; it rejects when the
 * registry can't be reached (the task waits).
 */
export interface Decoder {
  /** Fetches the schemas that are not known yet. */
  prepare(records: readonly InputRecord[]): Promise<void>
  /** The fields that are read, of one record whose schema is prepared. */
  record(record: InputRecord): Readonly<Record<string, unknown>>
}

/** Encodes the values of one schema. */
export interface Encoder {
  /** Confluent wire format: 0, schema id as four big-endian bytes, Avro binary. */
  encode(value: Readonly<Record<string, unknown>>): Buffer
}

// ---------------------------------------------------------------- rows

/**
 * A column of rows. `flag`: 0 or 1. `number`: NaN is null. `text`: null is null.
 * A column is named by the text of the expression that fills it, so that frames explain themselves.
 */
export type ColumnKind = 'flag' | 'number' | 'text'
/** A column's values, one a row, as its `ColumnKind` says. */
export type Column = Uint8Array | Float64Array | (string | null)[]
/** Name and kind of a column. */
export interface ColumnSpec {
  readonly id: string
  readonly kind: ColumnKind
}

/** Rows of one source, in the order of their positions: what a mapper makes of records and a reducer applies. */
export interface Rows {
  readonly length: number
  /** Position of the record that each row came from; rows of one record are next to each other. */
  readonly position: Float64Array
  /** Event time. */
  readonly time: Float64Array
  /** Breaks ties between rows of one key at one time: the higher is the newer. A total order fixed by the data. */
  readonly tie: Float64Array
  /** Entity ids; `keyOf[i]` is row i's index in `keys`. */
  readonly keys: readonly string[]
  readonly keyOf: Uint16Array
  /** By column id. A column that the writer did not know is absent: all null. */
  readonly columns: ReadonlyMap<string, Column>
}

// ---------------------------------------------------------------- state

/**
 * Names a task in the state store: `reduce/<namespace>/<partition>`, `map/<namespace>/<topic>/<partition>`. One name,
 * one position, one owner.
 */
export type TaskId = string

/** A task's claim on its state. A newer claim makes every older one useless: `Fenced`. */
export interface OpenState {
  readonly task: TaskId
  /**
   * Newer of the last + 1 and the store's wall clock in ms: grows with every claim, even when the store went back in time. From it the
   * engine reckons wall time.
   */
  readonly epoch: number
  /** Random; what `read` and `commit` compare. */
  readonly token: string
  /** Number of the last commit, by any owner. `commit` moves it on; the object is updated in place. */
  commits: number
  /** Position to go on from; undefined when nothing was ever committed. */
  position: Position | undefined
  /** The engine's own record of the task (clock, sources …), opaque to the store. Empty when never committed. */
  meta: Uint8Array
  /** When the next timer is due; Infinity when there is none. Updated by `commit`. */
  nextDue: Millis
}

/** One commit: what it leaves behind. */
export interface StateChange {
  readonly position: Position
  readonly meta: Uint8Array
  /** New bytes per key; null deletes. */
  readonly keys?: ReadonlyMap<string, Uint8Array | null>
  /** When each key is due next; Infinity removes its timer. Keys not named keep theirs. */
  readonly timers?: ReadonlyMap<string, Millis>
}

/**
 * Position and effect, together or not at all. Every call on an `OpenState` that is not the task's newest
 * claim throws `Fenced`. Any other error of `commit` leaves it unknown whether it was applied.
 */
export interface State {
  /** Claims the task, with a newer epoch and a new token. */
  open(task: TaskId): Promise<OpenState>
  /** Bytes per key, in the order asked; undefined for a key that has none. One round trip. */
  read(open: OpenState, keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>
  /** One atomic step. Throws `Fenced` when the claim is old or `open.commits` is not the newest commit's number. */
  commit(open: OpenState, change: StateChange): Promise<void>
  /** Keys due at or before `until`, earliest first, at most `limit`. */
  due(open: OpenState, until: Millis, limit: number): Promise<readonly string[]>
  /** All keys with their bytes, in pages, in no promised order. A key may come twice; none is left out. */
  scan(open: OpenState): AsyncIterable<readonly (readonly [string, Uint8Array])[]>
  /** Throws `Fenced` when the claim is old or somebody else committed: how an idle task notices. */
  check(open: OpenState): Promise<void>
  /** Everything of a task is gone, as if it had never been: every claim on it is `Fenced`. No-op for one never opened. */
  forget(task: TaskId): Promise<void>
  /** Gives up all connections. Nothing is called after it. */
  close(): Promise<void>
}

// ---------------------------------------------------------------- aggregations

/** What `of` gives of an event: a finite number, never -0; or a text of at most `MOST_TEXT` characters (`core/values.ts`). */
export type Value = number | string

/** What a feature is: a number, a text, a list of one of them, at most `MOST_ITEMS` long; null where there is none. */
export type FeatureValue = Value | readonly number[] | readonly string[] | null
/** Type of one value, in Avro's words. */
export type ScalarType = 'long' | 'double' | 'string'
/** Type of a feature's value. */
export type FeatureType = ScalarType | `list of ${ScalarType}`

/**
 * Which set of events an aggregation gives to operators: those of a `span` of time of known length; a number of the
 * `newest`; the openings of what is `open` now; `all` there ever were.
 */
export type Memory = 'span' | 'newest' | 'open' | 'all'

/**
 * How single values become one: `as: mean`, or with settings `as: { percentile: 95 }`. Order-free: any order of `add` and
 * `merge` gives the same result (whole numbers exactly; floats to 1e-9 of the magnitude of the values, where its notes
 * say nothing else). An accumulator is bounded, however many values it is given. One file in `operators/`.
 */
export interface Operator<A = unknown, V extends Value = Value> {
  /** Does it need `of:`? `optional`: without it, events are counted. */
  readonly of: 'required' | 'optional'
  /** Which values `of` may give: only `numbers`; texts too, given as their `hashes` of 53 bits; numbers or texts as `given`. */
  readonly takes: 'numbers' | 'hashes' | 'given'
  /** Type of the result; `same`, `list`: that of the values, or a list of them. */
  readonly type: FeatureType | 'same' | 'list'
  /** The result over no events at all. */
  readonly empty: 0 | null
  /** The aggregations it makes sense over, when not all, and why: "a rate is over a span of time". */
  readonly over?: { readonly memories: readonly Memory[]; readonly because: string }
  /**
   * The settings that accumulators depend on, where not all do: operators of one name that are equal in these understand each
   * other's, and aggregations keep one for all of them.
   */
  readonly remembers?: Readonly<Record<string, unknown>>
  /** Does it look at `tie`? Aggregations that keep events keep their ties only for such. */
  readonly ordered?: boolean
  /** An accumulator of no events. */
  create(): A
  /** `value` is never NaN; it is 1 where the feature has no `of:`. `tie` is 0 where the operator is not `ordered`. */
  add(acc: A, value: V, time: Millis, tie: number): void
  /**
   * Takes back what `add` of that value did, so that a result costs no look at all events that stay. Asked only of accumulators that
   * were given whole numbers up to 2^40 alone; left out where it could not be exact even then.
   */
  remove?(acc: A, value: V): void
  /** Adds all that `from` was given to `into`; `from` stays as it is. */
  merge(into: A, from: A): void
  /** `span`: length of the time that the events are of; NaN where the aggregation's memory is no `span`. */
  result(acc: A, span: Millis): FeatureValue
  /** Writes all that the accumulator is. `decode` reads exactly that much. */
  encode(acc: A, to: ByteWriter): void
  /** `values`: the kind that `add` was given. Throws RangeError for bytes that `encode` cannot have written of those. */
  decode(from: ByteReader, values?: 'number' | 'text'): A
}

/** One feature as its aggregation sees it, names resolved, expressions replaced by the columns that hold them. */
export interface FeatureSpec<C = unknown> {
  readonly name: string
  /** The aggregation's own settings, validated by its `config`. */
  readonly config: C
  /** Column id per expression key: `when`, `of`, and those that the aggregation declares. */
  readonly columns: Readonly<Record<string, string>>
  /** Kind of the column `of`; `number` without one. */
  readonly values: 'number' | 'text'
  /** Name of the operator, and its settings, validated by its `config`. */
  readonly as: string
  readonly settings: unknown
  /** Made from these settings; the same object for the same settings. */
  readonly operator: Operator
}

/**
 * How the events of a key are remembered: `last: 50`, `window: 10m`. One file in `aggregations/`.
 * The same object serves live, in replay and for training sets.
 */
export interface Aggregation<C = unknown> {
  readonly memory: Memory
  /** Settings that are expressions over the event, and the kind of column each fills. */
  readonly expressions: Readonly<Record<string, ColumnKind>>
  /** With these settings the aggregation gives operators a number of its own, such as an age: `of` is then refused. */
  measures?(config: C): boolean
  /** Groups features so that those which can share memory do. Every feature appears in exactly one slot. */
  slots(features: readonly FeatureSpec<C>[]): readonly Slot[]
}

/**
 * Memory for one or more features of one topology; an accumulator `A` per key. All methods are synchronous and
 * deterministic, and none keeps a reference to `columns`.
 */
export interface Slot<A = unknown> {
  /**
   * Identity of what is remembered, with the version of its encoding: `window/1 of=… when=…`. Accumulators
   * survive a changed topology exactly as long as this text stays the same.
   */
  readonly id: string
  readonly columns: readonly ColumnSpec[]
  /** Names of the features it answers, in the order of `results`. */
  readonly features: readonly string[]
  /** An accumulator of no events. */
  create(): A
  /**
   * Takes one row; `columns` are in the order of `this.columns`, undefined where the writer did not know one.
   * `clock` is the task's clock, -Infinity before it starts: what it would forget may be ignored on arrival.
   */
  add(acc: A, columns: readonly (Column | undefined)[], row: number, time: Millis, tie: number, clock: Millis): void
  /**
   * For aggregations that close: is this a row it would have taken, had it not come after the closing? `add` ignores such
   * rows, the engine keeps them as dead letters (`late`). A function of its arguments alone; `time` is below `clock`.
   */
  isLate?(columns: readonly (Column | undefined)[], row: number, time: Millis, clock: Millis): boolean
  /** Drops what can no longer matter once the clock stands at `clock`, and closes what has ended by then. */
  expire(acc: A, clock: Millis): void
  /**
   * When to look again with no new event: never after the earliest time at which a result changes. A time > `now`; where
   * results follow the clock alone, after the clock of the last `expire`. May be earlier than a change, or given though no
   * result changes any more, so that memory is freed; Infinity when nothing is left to do.
   */
  nextExpiry(acc: A, now: Millis): Millis
  /** True when it is as good as newly made. */
  isEmpty(acc: A): boolean
  /** One value per feature as of `now`, written from `out[at]`. No smaller `now` than the key's newest event. */
  results(acc: A, now: Millis, out: FeatureValue[], at: number): void
  /** Writes the main bytes: all but the segments. */
  encode(acc: A, to: ByteWriter): void
  /** Reads the main bytes. Throws RangeError for bytes that `encode` cannot have written. */
  decode(from: ByteReader): A
  /** For accumulators that may grow large: parts kept beside the main bytes, so that only changed ones are written. */
  readonly segments?: Segments<A>
}

/** Parts of one accumulator, by name, that are written apart. */
export interface Segments<A> {
  /** Names of the parts that a freshly decoded accumulator still lacks: all are attached before anything else is asked of it. */
  missing(acc: A): readonly string[]
  /** Called once for each name that is missing, in any order. Throws RangeError for bytes it did not write. */
  attach(acc: A, name: string, bytes: Uint8Array): void
  /** Parts to write since the last call; null: to delete. Called once after each `encode`; what it answers counts as stored. */
  changed(acc: A): readonly (readonly [string, Uint8Array | null])[]
}

// ---------------------------------------------------------------- emissions and sinks

/** Orders everything that is said of one thing: generation first, then epoch, then step. The higher is the newer. */
export interface Version {
  readonly generation: number
  readonly epoch: number
  readonly step: number
}

/** What became of one entity, to be said to sinks. */
export interface Emission {
  /** Entity id: `core/key.ts` joins the parts of a composite one. */
  readonly key: string
  /** The values hold as of this time. */
  readonly at: Millis
  /** In the order of the flow's features; null when forgotten (the entity goes back to defaults). */
  readonly values: readonly FeatureValue[] | null
  /**
   * Names the effect for sinks that append, by the newest row: `p<position>` in a source that is read directly, `p<position>.<row>`
   * of its frame in a shuffle topic, with `t<clock>` after it where that row was said before the clock moved on. Without a row:
   * `t<clock>` where a timer was due, `v<epoch>.<step>` where a sink is told everything again.
   */
  readonly cause: string
}

/** What one step of a task has to say. */
export interface EmissionBatch {
  readonly task: TaskId
  readonly version: Version
  /** The task's position once this batch is through. */
  readonly upto: Position
  /** What the state says was last written by this task before; undefined: nothing, or the sink shall not ask. */
  readonly said: Version | undefined
  /** One page of saying everything again: the sink's mark stays as it is until a batch that is not partial. */
  readonly partial?: boolean
  /** Of several of one key, where a flow emits each, the later is the newer. */
  readonly emissions: readonly Emission[]
}

/** What a sink answers to a batch. */
export interface SinkResult {
  /**
   * Everything up to this position is durable. A sink that holds nothing back answers `upto`. One that does (a
   * rolling file, a webhook being retried) answers less: it cannot serve a flow with state, as state and position are
   * committed together: one of your own has failed then, and is called again.
   */
  readonly safe: Position
  /** Emissions that can never be written, by index in the batch: they go to the dead letters as JSON. */
  readonly refused?: readonly { readonly index: number; readonly code: string; readonly reason: string }[]
  /** The sink's memory of this task is older than `said`: it went back in time. Say every value again, then this batch. */
  readonly behind?: boolean
}

/**
 * Where results go. Idempotent by name or by version: the same batch again, or an older one late, changes nothing.
 * A task waits for one call before it makes the next, but one of its former owner's may still come. A call that rejects is
 * repeated with pauses until it succeeds, so it rejects only for what may pass: what can never be written is `refused`.
 */
export interface Sink {
  /** Writes one batch; durable up to the position that it answers. */
  write(batch: EmissionBatch): Promise<SinkResult>
  /**
   * For sinks that can go back in time on their own: the version of the last batch of this task that they know.
   * Asked when a task opens and now and then while it is idle. One that is missing or older than what the state says was
   * written means: say everything again. One that stands though the state is new means that the state was lost.
   */
  mark?(task: TaskId): Promise<Version | undefined>
  /**
   * Told once after each open, when the task has caught up with the ends of its logs; `tasks`: all that must before an alias may
   * move. The generation in `version` is the rank of the topology's generation: of those that have caught up, the highest serves.
   */
  caughtUp?(task: TaskId, version: Version, tasks: readonly TaskId[]): Promise<void>
  /** Makes durable what is held back. Called at a graceful stop, after the task's last commit. */
  flush?(task: TaskId): Promise<SinkResult>
  /** Gives up all connections. Nothing is called after it. */
  close(): Promise<void>
}

/** What a sink is lent when a topology opens it. */
export interface SinkContext {
  readonly topology: string
  /** `<topology>@<generation>`. */
  readonly namespace: string
  /** Names of the key fields and of the features in the output. */
  readonly keyFields: readonly string[]
  readonly features: readonly string[]
  /** Avro schema of one result. */
  readonly schema: unknown
  /** Partitions for a topic that has to be made. */
  readonly partitions: number
  readonly store: FeatureStore
  readonly transport: Transport
  /** Registers a schema under a subject and answers its encoder. */
  encoder(subject: string, schema: unknown): Promise<Encoder>
}

// ---------------------------------------------------------------- feature store

/** What the feature store holds of one entity and topology. */
export interface FeatureRecord {
  readonly at: Millis
  readonly version: Version
  /** By feature name; a feature whose value is null is absent. */
  readonly values: Readonly<Record<string, NonNullable<FeatureValue>>>
}

/**
 * The same as JSON, for whoever passes values on: that of the feature at place `i` of those asked for are the bytes from `spans[2 * i]` to
 * `spans[2 * i + 1]`, UTF-8; none where it is null. -0 is 0.
 */
export interface FeatureJson {
  readonly at: Millis
  readonly bytes: Uint8Array
  readonly spans: readonly number[]
}

/** One write of a task: the features are called `names`, in the order of the values. */
export interface FeatureWrite {
  /** `<topology>@<generation>`. */
  readonly namespace: string
  readonly names: readonly string[]
  readonly batch: EmissionBatch
}

/**
 * Newest values per entity, and per task the mark: the version of the last batch written. Any call may reject with
 * `store-failed`; a write that rejects may still have been applied, or be applied later.
 */
export interface FeatureStore {
  /**
   * Writes all emissions and the task's mark in one atomic step, or answers `behind` and writes nothing when
   * `batch.said` is defined and the mark is older or missing. An emission older than what stands is ignored, one of the
   * same version rewrites it. What was forgotten keeps its version for a day. A partial batch leaves the mark as it
   * is; a mark never goes back. On several servers it is one such step on each, after all were seen not to be behind.
   * What `storable` (`core/values.ts`) refuses counts as null.
   */
  write(write: FeatureWrite): Promise<'written' | 'behind'>
  /** Version of the last write by this task, undefined when none is known. */
  mark(namespace: string, task: TaskId): Promise<Version | undefined>
  /** In the order asked; undefined for an entity of which nothing is known, or that was forgotten. */
  read(namespace: string, ids: readonly string[]): Promise<readonly (FeatureRecord | undefined)[]>
  /** As `read`, of the features `names`. Give the same array while they are the same. */
  readJson(
    namespace: string,
    ids: readonly string[],
    names: readonly string[],
  ): Promise<readonly (FeatureJson | undefined)[]>
  /** Namespace that serves a topology; undefined before the first has caught up. */
  alias(topology: string): Promise<string | undefined>
  /** No-op unless `generation` is higher than that of the namespace that serves now. */
  moveAlias(topology: string, namespace: string, generation: number): Promise<void>
  /**
   * All values and marks of a namespace are gone, and the alias that points to it. Not atomic: repeated after a failure, it goes on.
   * Nobody may write to the namespace meanwhile.
   */
  forget(namespace: string): Promise<void>
  /** Gives up all connections. Nothing is called after it. */
  close(): Promise<void>
}

// ---------------------------------------------------------------- flows

/**
 * How records of one source topic become rows. Compiled once; called per record. `where`, `key`, `time` and `id` may throw:
 * the record then goes to the dead letters. `fill` never throws.
 */
export interface RowPlan {
  readonly columns: readonly (ColumnSpec & {
    /** The column's value of an event. */
    readonly fill: (event: Event) => boolean | number | string | null
  })[]
  /** Events of which rows are made. */
  readonly where: (event: Event) => boolean
  /** Entity id as `core/key.ts` allows it, never with a NUL; null when the event belongs to no entity (its row is not made). */
  readonly key: (event: Event) => string | null
  /** Event time; null or NaN sends the record to the dead letters. Undefined: the record's own timestamp. */
  readonly time: ((event: Event) => Millis | null) | undefined
  /** Declared id of the event, for ties between events of one time; without it the position decides. */
  readonly id: ((event: Event) => string | null) | undefined
}
/** A decoded record: values as `core/schema.ts` says. */
export type Event = Readonly<Record<string, unknown>>

/** A topic that a flow reads. */
export interface ReadTopic {
  readonly topic: string
  /** Paths of the fields it reads, e.g. `['courier', 'id']`; a worker decodes the union over its flows. */
  readonly fields: readonly (readonly string[])[]
  /** Those of the fields that the declaration names; all of them when left out. A test has to give a value for these. */
  readonly asked?: readonly (readonly string[])[]
}

export interface FlowSource extends ReadTopic {
  readonly plan: RowPlan
  /** A transform of Millrace writes it: records are named (`millrace-id`), and repeats of one are dropped. */
  readonly named?: boolean
}

/** A record that a transform makes of another. */
export interface Made {
  readonly topic: string
  /** Tells it from the others made of the same record, the same each time it is made; they come with the lower first. */
  readonly index: number
  readonly key: string | Buffer | null
  readonly value: Buffer
}

/** Makes the records of a transform in code of one's own: `use: ./parts/clean.ts`. */
export interface Maker {
  /** Avro schema of the records, as parsed JSON: a record's. */
  readonly schema: unknown
  /**
   * The record made of an event, null for none. `scope` has the `event`, the `item` of its list where the transform flattens, and by
   * their names what was found in tables. A function of the scope alone; values as `core/schema.ts` says. May throw `RecordError`.
   */
  make(scope: Readonly<Record<string, unknown>> & { readonly event: Event }): Event | null
}

/** The newest record of a key in a table, as far as it is known here; null when there is none. */
export type Lookup = (table: string, key: string) => Event | null

export interface TransformSource extends ReadTopic {
  readonly named: boolean
  /**
   * All that is made of a record; its number, topics, keys and indexes are a function of the record and of what `lookup` gives,
   * keys of the record alone. Throws `RecordError`: nothing is made then, and the record goes to the dead letters.
   */
  readonly make: (event: Event, record: InputRecord, lookup: Lookup) => readonly Made[]
}

/**
 * The work of a key: what `features/` compiles the feature declarations to. `S` is one key's state; the engine alone
 * holds it, and attaches all that is `missing` before anything else is asked of it. All methods are synchronous and
 * deterministic.
 */
export interface Reducer<S = unknown> {
  /** Slot ids by number: those known before and the new ones after them. Kept in the task's meta. */
  readonly slots: readonly string[]
  /** The state of a key that had no event. */
  create(): S
  /** Resolves the columns of one frame once; the function then applies one row. */
  apply(rows: Rows): (state: S, row: number, clock: Millis) => void
  /** Time of the key's newest event; -Infinity before the first. */
  newest(state: S): Millis
  /** Drops what can no longer matter once the clock stands at `clock`. */
  expire(state: S, clock: Millis): void
  /** Answers, for rows older than their clock, the features that they came too late for; undefined when that can't be. */
  late?(rows: Rows): (row: number, clock: Millis) => readonly string[]
  /** When to evaluate the key again with no new event, after it was evaluated as of `now`; Infinity when never. */
  nextDue(state: S, now: Millis): Millis
  /** True when nothing is left that could matter: the key is deleted and its entity forgotten. */
  isSpent(state: S, clock: Millis): boolean
  /** One value per feature of the flow, in its order, as of `now`: not before the key's newest event. */
  evaluate(state: S, now: Millis): FeatureValue[]
  /** Main bytes, and the segments to write since the last call; null: to delete. What it answers counts as stored. */
  encode(state: S): { readonly main: Uint8Array; readonly segments: readonly (readonly [string, Uint8Array | null])[] }
  /** Throws for bytes that it did not write: the task stops with `state-unreadable`. */
  decode(main: Uint8Array): S
  /** Have these bytes no segments beside them? For bytes that it did not write any answer, or an error. */
  isWhole(main: Uint8Array): boolean
  /** Names of the segments that a freshly decoded state lacks. */
  missing(state: S): readonly string[]
  /** Called once for each name that is missing. Throws for bytes that it did not write. */
  attach(state: S, name: string, bytes: Uint8Array): void
}

/** Limits of code that is not Millrace's own. */
export interface OwnCode {
  /** Longest time for one row, or for one batch of rows. */
  readonly timeout: Millis
  /** Stop clearly at the first event that it fails on. */
  readonly stops: boolean
}

/** What YAML compiles to; all that the engine knows of a topology. */
export type Flow = FeatureFlow | TransformFlow

interface FlowHead {
  readonly name: string
  /** Fingerprint of what decides where a row goes and whether it exists. Names shuffle, tasks, state, features. */
  readonly generation: string
  /** Fingerprint of everything declared, and when it was declared: of two definitions of a generation the later one writes. */
  readonly definition: string
  readonly declaredAt: Millis
  /** Where a source that was never read begins; a time: at the first record stamped then or later. */
  readonly start: 'earliest' | 'latest' | Millis
  /** Limits, where code that is not Millrace's own computes in it: an event that it fails on goes to the dead letters. */
  readonly own?: OwnCode
}

/** Records become records of other topics, each partition in its order. Nothing is remembered but the position. */
export interface TransformFlow extends FlowHead {
  readonly sources: readonly TransformSource[]
  /** Compacted topics of which every worker holds the newest record of each key. */
  readonly tables: readonly ReadTopic[]
  /** Topics that it appends to. */
  readonly writes: readonly string[]
  readonly shuffle: undefined
  readonly direct: undefined
}

/** Records become rows, rows change the state of their keys, and what became of a key is said to sinks. */
export interface FeatureFlow extends FlowHead {
  readonly sources: readonly FlowSource[]
  /** Partitions of the shuffle topic; undefined when the one source is keyed by the dimension and read directly. */
  readonly shuffle: number | undefined
  /** Partitions that the one source has, where it is read directly: with another number its keys would have moved. */
  readonly direct: number | undefined
  /** `slots`: the table kept in the task's meta, empty at first. */
  readonly reducer: (slots: readonly string[]) => Reducer
  /** Feature names, in the order of every emission's values. */
  readonly features: readonly string[]
  /** Say a result after every row. Otherwise of several rows of a key in one step the value after the last is said. */
  readonly emitsEach?: boolean
  /** Shared by all tasks of the flow in a worker. Whoever opened them closes them, after the worker has stopped. */
  readonly sinks: readonly Sink[]
}
