import type { Column, ColumnKind, Event, RowPlan, Rows } from '../core/model.ts'

/** Tie of a row without a declared id: ordered by topic (as declared), partition, position; exact in a double. */
export function tieOf(topicIndex: number, partition: number, position: number): number {
  return (topicIndex * MAX_PARTITIONS + partition) * MAX_POSITION + position
}
export const MAX_TOPICS = 8
export const MAX_PARTITIONS = 1024
const MAX_POSITION = 2 ** 40

const NOWHERE = 65_535

interface Fill<C extends Column> {
  readonly fill: (event: Event) => boolean | number | string | null
  readonly data: C
}

/** Rows being filled, column by column, up to a fixed number; emptied and filled again. */
export class RowBuffer implements Rows {
  length = 0
  readonly position: Float64Array
  readonly time: Float64Array
  readonly tie: Float64Array
  readonly keyOf: Uint16Array
  keys: string[] = []
  readonly columns: ReadonlyMap<string, Column>
  /** Bytes of text taken so far, roughly. */
  text = 0
  // apart, so that each loop below stores into arrays of one kind: a third of the time of a loop over all
  private readonly flags: readonly Fill<Uint8Array>[]
  private readonly numbers: readonly Fill<Float64Array>[]
  private readonly texts: readonly Fill<(string | null)[]>[]
  /** Open addressing by the keys' hashes: indexes into `keys`. So much smaller than a Map that it stays in the processor's caches. */
  private readonly places: Uint16Array

  constructor(plan: RowPlan, capacity: number) {
    if (capacity > NOWHERE) throw new RangeError('a row buffer counts its keys in 16 bits')
    this.position = new Float64Array(capacity)
    this.time = new Float64Array(capacity)
    this.tie = new Float64Array(capacity)
    this.keyOf = new Uint16Array(capacity)
    const columns = plan.columns.map(({ id, kind, fill }) => ({ id, kind, fill, data: emptyColumn(kind, capacity) }))
    const of = <C extends Column>(wanted: ColumnKind) =>
      columns.filter(({ kind }) => kind === wanted) as readonly Fill<Column>[] as readonly Fill<C>[]
    this.flags = of('flag')
    this.numbers = of('number')
    this.texts = of('text')
    this.columns = new Map(columns.map(({ id, data }) => [id, data]))
    this.places = new Uint16Array(2 ** Math.ceil(Math.log2(capacity * 2 + 2))).fill(NOWHERE)
  }

  get capacity(): number {
    return this.position.length
  }

  /** `hash`: the key's, as `hashOf` gives it. */
  add(key: string, hash: number, position: number, time: number, tie: number, event: Event): void {
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
    const { keys, places } = this
    const last = places.length - 1
    // the low bits are alike where they have chosen the buffer
    for (let at = (hash ^ (hash >>> 15)) & last; ; at = (at + 1) & last) {
      const index = places[at] as number
      if (index === NOWHERE) {
        places[at] = keys.length
        this.text += key.length + 2
        return keys.push(key) - 1
      }
      if (keys[index] === key) return index
    }
  }

  clear(): void {
    this.length = 0
    this.keys = []
    this.text = 0
    this.places.fill(NOWHERE)
  }
}

export function emptyColumn(kind: ColumnKind, length: number): Column {
  if (kind === 'flag') return new Uint8Array(length)
  if (kind === 'number') return new Float64Array(length)
  return new Array<string | null>(length).fill(null)
}
