/** Moves over data of a type without making values of it. */
import { type AvroType, branchOf, type RecordType } from '../../core/schema.ts'
import type { Cursor } from './cursor.ts'

export type Skip = (cursor: Cursor) => void

/** One move: so many bytes, one of the two below, or whatever the function does. */
export type Move = number | Skip
const VARINT = -1
const PREFIXED = -2

const BASES: Readonly<Record<string, Move>> = {
  null: 0,
  boolean: 1,
  int: VARINT,
  long: VARINT,
  enum: VARINT,
  float: 4,
  double: 8,
  string: PREFIXED,
  bytes: PREFIXED,
}
/** Records of up to so many moves become part of the record around them. */
const MAX_INLINE = 64

export class Skipper {
  /** Moves of each record, made once, so that records used in many places cost no more; undefined while being made. */
  private readonly records = new Map<RecordType, readonly Move[] | undefined>()

  moves(type: AvroType): readonly Move[] {
    if (type.kind === 'record') return this.recordMoves(type)
    if (type.kind === 'union') return [this.union(type.options)]
    if (type.kind === 'array') return [this.blocks(this.moves(type.items))]
    if (type.kind === 'map') return [this.blocks([PREFIXED, ...this.moves(type.items)])]
    const fixed = type.kind === 'decimal' ? type.fixed : type.kind === 'fixed' ? type : undefined
    return [fixed?.size ?? BASES[type.kind === 'enum' ? 'enum' : branchOf(type)] ?? 0]
  }

  private recordMoves(type: RecordType): readonly Move[] {
    const known = this.records.get(type)
    if (known) return known
    if (this.records.has(type)) return [this.recursive(type)]
    this.records.set(type, undefined)
    const all = merge(type.fields.flatMap((field) => this.moves(field.type)))
    const moves = all.length > MAX_INLINE ? [asOne(all)] : all
    this.records.set(type, moves)
    return moves
  }

  private recursive(type: RecordType): Skip {
    let inner: Skip | undefined
    return (cursor) => {
      inner ??= asOne(this.records.get(type) ?? [])
      cursor.enter()
      inner(cursor)
      cursor.leave()
    }
  }

  private union(options: readonly AvroType[]): Skip {
    const skips = options.map((option) => asOne(this.moves(option)))
    return (cursor) => {
      const index = cursor.long()
      const skip = skips[index]
      if (!skip) throw cursor.malformed(`option ${index} of a union of ${skips.length}`)
      skip(cursor)
    }
  }

  private blocks(moves: readonly Move[]): Skip {
    const items = merge(moves)
    const [width] = items.length === 0 ? [0] : items.length === 1 ? items : []
    const item = asOne(items)
    return (cursor) => {
      for (;;) {
        const count = cursor.block()
        if (count === 0) return
        if (cursor.blockBytes >= 0) cursor.take(cursor.blockBytes)
        else if (typeof width === 'number' && width >= 0) cursor.take(count * width)
        else for (let i = 0; i < count; i++) item(cursor)
      }
    }
  }
}

/** Adjacent bytes together, nothing left out; what takes no bytes is gone, so that no nesting of it costs time. */
function merge(moves: readonly Move[]): readonly Move[] {
  const merged: Move[] = []
  for (const move of moves) {
    const last = merged.at(-1)
    if (isWidth(move) && isWidth(last)) merged[merged.length - 1] = last + move
    else if (move !== 0) merged.push(move)
  }
  return merged
}

function isWidth(move: Move | undefined): move is number {
  return typeof move === 'number' && move >= 0
}

/** One function for all moves: runs of plain ones in a loop without calls, as most of a record is skipped. */
export function asOne(moves: readonly Move[]): Skip {
  const skips: Skip[] = []
  let run: number[] = []
  for (const move of [...merge(moves), undefined]) {
    if (typeof move === 'number') run.push(move)
    else {
      if (run.length > 0) skips.push(plain(run))
      run = []
      if (move) skips.push(move)
    }
  }
  const [only] = skips
  if (skips.length === 1 && only) return only
  return (cursor) => {
    for (let i = 0; i < skips.length; i++) (skips[i] as Skip)(cursor)
  }
}

function plain(moves: readonly number[]): Skip {
  const ops = [...moves]
  return (cursor) => {
    const { bytes } = cursor
    let at = cursor.at
    for (let i = 0; i < ops.length; i++) {
      const op = ops[i] as number
      if (op === PREFIXED) {
        const first = bytes[at] as number
        if (first < 128 && (first & 1) === 0) at += 1 + (first >>> 1)
        else {
          cursor.at = at
          const length = cursor.length()
          at = cursor.at + length
        }
      } else if (op === VARINT) {
        const limit = at + 10
        while ((bytes[at++] as number) > 127)
          if (at >= limit) throw cursor.malformed('a whole number of more than ten bytes')
      } else at += op
    }
    // past the end every byte reads as undefined, which stops all of the above
    if (at > bytes.length) throw cursor.short()
    cursor.at = at
  }
}
