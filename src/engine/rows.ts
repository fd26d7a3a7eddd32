import { hashOf } from '../core/key.ts'
import type { Column, ColumnKind, ColumnSpec, Event, RowPlan, Rows } from '../core/model.ts'

/** Tie of a row without a declared id: ordered by topic (as declared), partition, position; exact in a double. */
export function tieOf(topicIndex: number, partition: number, position: number): number {
  return (topicIndex * MAX_PARTITIONS + partition) * MAX_POSITION + position
}
export const MAX_TOPICS = 8
export const MAX_PARTITIONS = 1024
const MAX_POSITION = 2 ** 40

const NOWHERE = 65_535
/** By how much a buffer that is too small grows. */
const GROWTH = 4

interface Fill<C extends Column> {
  readonly fill: (event: Event) => boolean | number | string | null
  data: C
}

/** Rows being filled, column by column, up to a fixed number; emptied and filled again. Its memory grows with the most it has held. */
export class RowBuffer implements Rows {
  /** How many rows it takes. */
  readonly capacity: number
  length = 0
  position: Float64Array
  time: Float64Array
  tie: Float64Array
  keyOf: Uint16Array
  keys: string[] = []
  columns: ReadonlyMap<string, Column>
  /** Bytes of text taken so far, roughly. */
  text = 0
  // apart, so that each loop below stores into arrays of one kind: a third of the time of a loop over all
  private readonly flags: readonly Fill<Uint8Array>[]
  private readonly numbers: readonly Fill<Float64Array>[]
  private readonly texts: readonly Fill<(string | null)[]>[]
  /** Open addressing by the keys' hashes: indexes into `keys`. So much smaller than a Map that it stays in the processor's caches. */
  private places: Uint16Array
  private readonly filled: readonly (ColumnSpec & Fill<Column>)[]

  /** `first`: rows that there is room for before it grows. */
  constructor(plan: RowPlan, capacity: number, first = capacity) {
    if (capacity > NOWHERE) throw new RangeError('a row buffer counts its keys in 16 bits')
    const room = Math.min(first, capacity)
    this.capacity = capacity
    this.position = new Float64Array(room)
    this.time = new Float64Array(room)
    this.tie = new Float64Array(room)
    this.keyOf = new Uint16Array(room)
    this.filled = plan.columns.map(({ id, kind, fill }) => ({ id, kind, fill, data: emptyColumn(kind, room) }))
    const of = <C extends Column>(wanted: ColumnKind) =>
      this.filled.filter(({ kind }) => kind === wanted) as readonly Fill<Column>[] as readonly Fill<C>[]
    this.flags = of('flag')
    this.numbers = of('number')
    this.texts = of('text')
    this.columns = new Map(this.filled.map(({ id, data }) => [id, data]))
    this.places = placesFor(room)
  }

  private grow(): void {
    const room = Math.min(this.position.length * GROWTH, this.capacity)
    this.position = copied(this.position, new Float64Array(room))
    this.time = copied(this.time, new Float64Array(room))
    this.tie = copied(this.tie, new Float64Array(room))
    this.keyOf = copied(this.keyOf, new Uint16Array(room))
    for (const column of this.filled) {
      const { data, kind } = column
      const larger = emptyColumn(kind, room)
      for (let row = 0; row < data.length; row++) larger[row] = data[row] as never
      column.data = larger
    }
    this.columns = new Map(this.filled.map(({ id, data }) => [id, data]))
    this.places = placesFor(room)
    for (const [index, key] of this.keys.entries()) this.places[this.placeOf(key, hashOf(key))] = index
  }

  /** `hash`: the key's, as `hashOf` gives it. */
  add(key: string, hash: number, position: number, time: number, tie: number, event: Event): void {
    if (this.length === this.position.length) this.grow()
    const row = this.length++
    this.keyOf[row] = this.indexOf(key, hash)
    this.position[row] = position
    this.time[row] = time
    this.tie[row] = tie
    for (const { fill, data } of this.flags) data[row] = fill(event) === true ? 1 : 0
    for (const { fill, data } of this.numbers) {
      const value = fill(event)
      data[row] = typeof value === 'number' ? value : Number.NaN
    }
    for (const { fill, data } of this.texts) {
      const value = fill(event)
      data[row] = typeof value === 'string' ? value : null
      if (typeof value === 'string') this.text += value.length + 2
    }
  }

  private indexOf(key: string, hash: number): number {
    const at = this.placeOf(key, hash)
    const index = this.places[at] as number
    if (index !== NOWHERE) return index
    this.places[at] = this.keys.length
    this.text += key.length + 2
    return this.keys.push(key) - 1
  }

  /** Where the key's index stands, or is to stand. */
  private placeOf(key: string, hash: number): number {
    const { keys, places } = this
    const last = places.length - 1
    // the low bits are alike where they have chosen the buffer
    let at = (hash ^ (hash >>> 15)) & last
    for (;;) {
      const index = places[at] as number
      if (index === NOWHERE || keys[index] === key) return at
      at = (at + 1) & last
    }
  }

  clear(): void {
    this.length = 0
    this.keys = []
    this.text = 0
    this.places.fill(NOWHERE)
  }
}

/** Room for the places of so many keys, half of it empty. */
function placesFor(rows: number): Uint16Array {
  return new Uint16Array(2 ** Math.ceil(Math.log2(rows * 2 + 2))).fill(NOWHERE)
}

function copied<A extends Float64Array | Uint16Array>(from: A, to: A): A {
  to.set(from)
  return to
}

export function emptyColumn(kind: ColumnKind, length: number): Column {
  if (kind === 'flag') return new Uint8Array(length)
  if (kind === 'number') return new Float64Array(length)
  return new Array<string | null>(length).fill(null)
}
