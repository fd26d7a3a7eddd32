import { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { FeatureValue, Millis, Reducer, Rows, Slot } from '../core/model.ts'
import { ratioOf } from './ratio.ts'

/** Version of a key's encoding. */
const VERSION = 1
const DAY = 86_400_000
/** Memory that the bytes of several keys share. */
const SLAB = 16_384
/** Nearly all keys have none of these: nothing is ever put into them. */
const NO_SEGMENTS = new Map<number, Set<string>>()
const NONE_MISSING = new Set<string>()

/** State of one key: an accumulator per slot. */
interface KeyState {
  newest: Millis
  readonly accs: unknown[]
  /** By slot number: segments that stand in the store, also of slots that this definition does not know. */
  segments: Map<number, Set<string>>
  /** Segments still to be attached, as the engine names them. */
  missing: Set<string>
}

/**
 * What a topology of kind `features` does for a key: every row goes through all slots. A key is forgotten when
 * nothing is left in any slot and its newest event is `forgetAfterMs` old.
 *
 * Main bytes: version, time of the newest event, then for every slot that is not empty: its number in `slots`, its
 * bytes, the names of its segments. Bytes of a slot that this definition does not know are dropped, with their
 * segments; a slot without bytes starts fresh. So features come and go within a generation.
 *
 * `order` and `defaults` belong together: feature names as emissions have them, and what stands for null. `ratios`: names of
 * the two features that those are made of which no slot answers.
 */
export function featureReducer(
  slots: readonly Slot[],
  order: readonly string[],
  defaults: readonly FeatureValue[],
  forgetAfterMs: Millis = DAY,
  ratios: Ratios = new Map(),
): (known: readonly string[]) => Reducer {
  return (known) => new FeatureReducer(slots, order, defaults, forgetAfterMs, ratios, known) as Reducer
}

type Ratios = ReadonlyMap<string, readonly [over: string, under: string]>

class FeatureReducer implements Reducer<KeyState> {
  readonly slots: readonly string[]
  readonly late?: (rows: Rows) => (row: number, clock: Millis) => readonly string[]
  private readonly own: readonly Slot[]
  private readonly numbers: readonly number[]
  private readonly results: FeatureValue[]
  private readonly resultAt: readonly number[]
  private readonly defaults: readonly FeatureValue[]
  private readonly forgetAfter: Millis
  /** Places in the order. */
  private readonly ratios: readonly { readonly at: number; readonly over: number; readonly under: number }[]
  private readonly main = new ByteWriter(SLAB)
  private readonly part = new ByteWriter()

  constructor(
    own: readonly Slot[],
    order: readonly string[],
    defaults: readonly FeatureValue[],
    forgetAfter: Millis,
    ratios: Ratios,
    known: readonly string[],
  ) {
    this.slots = [...new Set([...known, ...own.map(({ id }) => id)])]
    this.own = own
    this.numbers = own.map(({ id }) => this.slots.indexOf(id))
    const names = own.flatMap(({ features }) => features)
    this.results = names.map(() => null)
    this.resultAt = order.map((name) => names.indexOf(name))
    const unanswered = order.find((name) => !names.includes(name) && !ratios.has(name))
    if (unanswered !== undefined) throw new RangeError(`no slot answers the feature ${unanswered}`)
    this.defaults = defaults
    this.forgetAfter = forgetAfter
    const place = (name: string) => order.indexOf(name)
    this.ratios = [...ratios].map(([name, [over, under]]) => ({
      at: place(name),
      over: place(over),
      under: place(under),
    }))
    const closing = own.filter((slot) => slot.isLate !== undefined)
    if (closing.length > 0) this.late = (rows) => this.lateRows(closing, rows)
  }

  create(): KeyState {
    return {
      newest: Number.NEGATIVE_INFINITY,
      accs: this.own.map((slot) => slot.create()),
      segments: NO_SEGMENTS,
      missing: NONE_MISSING,
    }
  }

  apply(rows: Rows): (state: KeyState, row: number, clock: Millis) => void {
    const { own } = this
    const { time, tie } = rows
    const columns = own.map((slot) => slot.columns.map(({ id }) => rows.columns.get(id)))
    return (state, row, clock) => {
      const at = time[row] as number
      if (at > state.newest) state.newest = at
      for (let i = 0; i < own.length; i++)
        (own[i] as Slot).add(state.accs[i], columns[i] as (typeof columns)[0], row, at, tie[row] as number, clock)
    }
  }

  private lateRows(closing: readonly Slot[], rows: Rows): (row: number, clock: Millis) => readonly string[] {
    const columns = closing.map((slot) => slot.columns.map(({ id }) => rows.columns.get(id)))
    return (row, clock) =>
      closing.flatMap((slot, i) =>
        slot.isLate?.(columns[i] as (typeof columns)[0], row, rows.time[row] as number, clock) ? slot.features : [],
      )
  }

  newest(state: KeyState): Millis {
    return state.newest
  }

  expire(state: KeyState, clock: Millis): void {
    for (const [i, slot] of this.own.entries()) slot.expire(state.accs[i], clock)
  }

  /** When a result changes or memory can be freed; once nothing is left, when the key is forgotten. */
  nextDue(state: KeyState, now: Millis): Millis {
    if (this.isEmpty(state)) return Math.max(state.newest + this.forgetAfter, now + 1)
    let due = Number.POSITIVE_INFINITY
    for (const [i, slot] of this.own.entries()) due = Math.min(due, slot.nextExpiry(state.accs[i], now))
    return due
  }

  private isEmpty(state: KeyState): boolean {
    return this.own.every((slot, i) => slot.isEmpty(state.accs[i]))
  }

  isSpent(state: KeyState, clock: Millis): boolean {
    return state.newest <= clock - this.forgetAfter && this.isEmpty(state)
  }

  evaluate(state: KeyState, now: Millis): FeatureValue[] {
    let at = 0
    for (const [i, slot] of this.own.entries()) {
      slot.results(state.accs[i], now, this.results, at)
      at += slot.features.length
    }
    const values = this.resultAt.map((from, i) => this.results[from] ?? this.defaults[i] ?? null)
    for (const { at, over, under } of this.ratios)
      values[at] = ratioOf(values[over], values[under]) ?? this.defaults[at] ?? null
    return values
  }

  encode(state: KeyState): { main: Uint8Array; segments: (readonly [string, Uint8Array | null])[] } {
    const { main, part } = this
    const segments: [string, Uint8Array | null][] = []
    main.byte(VERSION)
    main.double(state.newest)
    for (const [number, names] of state.segments) {
      if (this.numbers.includes(number)) continue
      for (const name of names) segments.push([`${number}.${name}`, null])
      state.segments.delete(number)
    }
    for (const [i, slot] of this.own.entries()) {
      const number = this.numbers[i] as number
      const acc = state.accs[i]
      const isEmpty = slot.isEmpty(acc)
      if (!isEmpty) slot.encode(acc, part)
      const names = this.changed(state, slot, acc, number, segments)
      if (isEmpty) continue
      main.varint(number)
      main.drain(part)
      main.varint(names?.size ?? 0)
      for (const name of names ?? []) main.text(name)
    }
    return { main: main.take(), segments }
  }

  /** Adds the slot's changed segments; answers the names of all that then stand in the store. */
  private changed(
    state: KeyState,
    slot: Slot,
    acc: unknown,
    number: number,
    to: [string, Uint8Array | null][],
  ): ReadonlySet<string> | undefined {
    for (const [name, bytes] of slot.segments?.changed(acc) ?? []) {
      to.push([`${number}.${name}`, bytes])
      const names = state.segments.get(number) ?? new Set()
      segmentsOf(state).set(number, names)
      if (bytes) names.add(name)
      else names.delete(name)
    }
    return state.segments.get(number)
  }

  decode(bytes: Uint8Array): KeyState {
    const from = new ByteReader(bytes)
    const state = this.create()
    const version = from.byte()
    if (version !== VERSION) throw new RangeError(`a key has version ${version}, this program reads ${VERSION}`)
    state.newest = from.number()
    while (from.left > 0) {
      const number = from.varint()
      const block = from.block()
      const names = Array.from({ length: from.count() }, () => from.text())
      if (names.length > 0) segmentsOf(state).set(number, new Set(names))
      const i = this.numbers.indexOf(number)
      const slot = this.own[i]
      if (!slot) continue
      const acc = slot.decode(new ByteReader(block))
      state.accs[i] = acc
      const lacks = slot.segments?.missing(acc) ?? []
      if (lacks.length > 0) state.missing = new Set([...state.missing, ...lacks.map((name) => `${number}.${name}`)])
    }
    return state
  }

  isWhole(main: Uint8Array): boolean {
    const from = new ByteReader(main)
    from.byte()
    from.double()
    while (from.left > 0) {
      from.varint()
      from.block()
      if (from.varint() > 0) return false
    }
    return true
  }

  missing(state: KeyState): readonly string[] {
    return [...state.missing]
  }

  attach(state: KeyState, name: string, bytes: Uint8Array): void {
    const dot = name.indexOf('.')
    const i = this.numbers.indexOf(Number(name.slice(0, dot)))
    this.own[i]?.segments?.attach(state.accs[i], name.slice(dot + 1), bytes)
    state.missing.delete(name)
  }
}

function segmentsOf(state: KeyState): Map<number, Set<string>> {
  if (state.segments === NO_SEGMENTS) state.segments = new Map()
  return state.segments
}
