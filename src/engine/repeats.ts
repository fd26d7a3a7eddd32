/**
 * Names of records that a transform appends, and how their readers drop repeats. A name says what the record was made of:
 * `<topology>/<source>/<position>/<index>`. Whoever makes records of a source, and however often, appends them in this
 * order, and only what follows something that is appended already: so what is not above the highest of its source is a repeat.
 */
import type { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { InputRecord, Position } from '../core/model.ts'
import { type Source, sourceName } from './shuffle.ts'

export const NAME_HEADER = 'millrace-id'

export function nameOf(topology: string, source: Source, position: Position, index: number): string {
  return `${topology}/${sourceName(source)}/${position}/${index}`
}

/** A name is no longer than this; what is longer is none of ours. */
const MOST_CHARACTERS = 600
/** Sources remembered; the one that was new the longest ago is forgotten for another. */
const MOST_SOURCES = 10_000
const NAME = /^(.*)\/(\d{1,15})\/(\d{1,15})$/s

/** What one task has met of the records of one partition. */
export class Repeats {
  private readonly highest = new Map<string, { position: number; index: number }>()

  /** Was it met before? Otherwise it is remembered as met. A record without a name is no repeat. */
  isRepeat({ headers }: Pick<InputRecord, 'headers'>): boolean {
    const name = headers[NAME_HEADER]
    const found = name && name.length <= MOST_CHARACTERS ? NAME.exec(name.toString()) : null
    if (!found) return false
    const [, source, ...numbers] = found as unknown as readonly [string, string, string, string]
    const [position, index] = numbers.map(Number) as [number, number]
    const known = this.highest.get(source)
    if (!known) {
      if (this.highest.size === MOST_SOURCES) this.highest.delete(this.highest.keys().next().value as string)
      this.highest.set(source, { position, index })
      return false
    }
    if (position < known.position || (position === known.position && index <= known.index)) return true
    known.position = position
    known.index = index
    return false
  }

  clear(): void {
    this.highest.clear()
  }

  encode(to: ByteWriter): void {
    to.varint(this.highest.size)
    for (const [source, { position, index }] of this.highest) {
      to.text(source)
      to.varint(position)
      to.varint(index)
    }
  }

  /** In the place of what it knew. */
  decode(from: ByteReader): void {
    this.clear()
    for (let n = from.varint(); n > 0; n--)
      this.highest.set(from.text(), { position: from.varint(), index: from.varint() })
  }
}
