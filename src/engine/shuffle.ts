/**
 * Frames: the records of a shuffle topic. One frame carries many rows of one source to one target partition, and
 * what the source knows of time. Columns are written whole, so a frame costs a few copies, not a loop per field.
 */
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { Column, ColumnKind, Millis, Partition, Position, Rows } from '../core/model.ts'
import { emptyColumn } from './rows.ts'

/** Most rows of a frame, so that a reducer's commit stays small. */
export const FRAME_ROWS = 1_000
/** A frame is sealed once it is about so large: by how much it is more depends on its columns and its last row. */
export const FRAME_BYTES = 64 * 1024

/** A source of rows: one partition of one topic in one incarnation. */
export interface Source extends Partition {
  readonly incarnation: string
}

export const sourceName = (source: Source): string => `${source.topic}#${source.incarnation}/${source.partition}`

export interface FrameHead {
  readonly source: Source
  /** How many partitions the source's topic has, as its mapper sees it: the clock waits until all were heard. */
  readonly partitions: number
  /** Position of the row that the same source wrote to the same target before the first row here; -1: none. */
  readonly after: Position | -1
  /** The mapper has read everything below this position. */
  readonly upto: Position
  /** Highest event time of the source so far; NaN where it says nothing. With `heartbeat`: moved on by silence. */
  readonly watermark: Millis
  /** Record timestamp of the newest record behind the frame, for measuring delay; NaN where there is none. */
  readonly stamp: Millis
  /** Said by a mapper that has read to the end and found silence; goes for nothing when older than the rows applied. */
  readonly heartbeat: boolean
  /** The mapper has been at the end of its log since it opened. */
  readonly live: boolean
  /** Incarnation of this partition that is finished: its source leaves the clock. Empty: none. */
  readonly finishes: string
}

export interface Frame extends FrameHead {
  readonly rows: Rows
  /** Event time that the source has reached with each row, where the frame is cut as records happened to be read. */
  readonly reached?: Float64Array
  /** Position of its record in the shuffle topic; absent where the source is read directly. */
  readonly at?: Position
}

const VERSION = 1
const HEARTBEAT = 1
const LIVE = 2
const KINDS: readonly ColumnKind[] = ['flag', 'number', 'text']

/** Column layout as bytes; the same for every frame of a mapper, so computed once. */
export function encodeLayout(columns: readonly { id: string; kind: ColumnKind }[]): Buffer {
  const to = new ByteWriter()
  to.varint(columns.length)
  for (const { id, kind } of columns) {
    to.byte(KINDS.indexOf(kind))
    to.text(id)
  }
  return to.take()
}

const writer = new ByteWriter(FRAME_BYTES)

/** `layout` describes `rows.columns`, in their order. */
export function encodeFrame(head: FrameHead, layout: Buffer, rows: Rows | undefined): Buffer {
  const to = writer
  to.byte(VERSION)
  to.byte((head.heartbeat ? HEARTBEAT : 0) | (head.live ? LIVE : 0))
  to.text(head.source.topic)
  to.text(head.source.incarnation)
  to.varint(head.source.partition)
  to.varint(head.partitions)
  to.double(head.after)
  to.varint(head.upto)
  to.double(head.watermark)
  to.double(head.stamp)
  to.text(head.finishes)
  const length = rows?.length ?? 0
  to.varint(length)
  if (!rows || length === 0) return to.take()
  to.block(layout)
  to.varint(rows.keys.length)
  for (const key of rows.keys) to.text(key)
  to.doubles(rows.position, 0, length)
  to.doubles(rows.time, 0, length)
  to.doubles(rows.tie, 0, length)
  to.bytes(new Uint8Array(rows.keyOf.buffer, rows.keyOf.byteOffset, length * 2))
  for (const column of rows.columns.values()) encodeColumn(to, column, length)
  return to.take()
}

function encodeColumn(to: ByteWriter, column: Column, length: number): void {
  if (column instanceof Uint8Array) to.bytes(column.subarray(0, length))
  else if (column instanceof Float64Array) to.doubles(column, 0, length)
  else
    for (let row = 0; row < length; row++) {
      const value = column[row] as string | null
      to.byte(value === null ? 0 : 1)
      if (value !== null) to.text(value)
    }
}

const NO_ROWS: Rows = {
  length: 0,
  position: new Float64Array(0),
  time: new Float64Array(0),
  tie: new Float64Array(0),
  keys: [],
  keyOf: new Uint16Array(0),
  columns: new Map(),
}

/** Reads frames; remembers the last layout and source, which seldom change. Throws RangeError for bytes that are no frame. */
export class FrameReader {
  private layoutBytes: Buffer = Buffer.alloc(0)
  private layout: readonly { id: string; kind: ColumnKind }[] = []

  read(bytes: Uint8Array): Frame {
    const from = new ByteReader(bytes)
    const version = from.byte()
    if (version !== VERSION) throw new RangeError(`frame version ${version}, this worker reads ${VERSION}`)
    const flags = from.byte()
    const head = {
      source: { topic: from.text(), incarnation: from.text(), partition: from.varint() },
      partitions: from.varint(),
      after: from.double(),
      upto: from.varint(),
      watermark: from.double(),
      stamp: from.double(),
      finishes: from.text(),
      heartbeat: (flags & HEARTBEAT) !== 0,
      live: (flags & LIVE) !== 0,
    }
    const length = from.varint()
    const rows = length === 0 ? NO_ROWS : this.rows(from, length)
    if (from.left > 0) throw new RangeError(`${from.left} bytes behind the rows of a frame`)
    return { ...head, rows }
  }

  private rows(from: ByteReader, length: number): Rows {
    if (length > FRAME_ROWS) throw new RangeError(`${length} rows in a frame, at most ${FRAME_ROWS} are allowed`)
    const layout = this.columnsOf(from.block())
    const keyCount = from.varint()
    if (keyCount > length) throw new RangeError(`${keyCount} keys for ${length} rows`)
    const keys = Array.from({ length: keyCount }, () => from.text())
    const position = new Float64Array(length)
    const time = new Float64Array(length)
    const tie = new Float64Array(length)
    const keyOf = new Uint16Array(length)
    from.doubles(position, 0, length)
    from.doubles(time, 0, length)
    from.doubles(tie, 0, length)
    new Uint8Array(keyOf.buffer).set(from.bytes(length * 2))
    for (let row = 0; row < length; row++)
      if ((keyOf[row] as number) >= keyCount) throw new RangeError('a row names a key that its frame does not hold')
    const columns = new Map<string, Column>()
    for (const { id, kind } of layout) columns.set(id, decodeColumn(from, kind, length))
    return { length, position, time, tie, keys, keyOf, columns }
  }

  private columnsOf(bytes: Buffer): readonly { id: string; kind: ColumnKind }[] {
    if (bytes.equals(this.layoutBytes)) return this.layout
    const from = new ByteReader(bytes)
    const count = from.varint()
    if (count * 2 > from.left) throw new RangeError(`${count} columns in a layout of ${bytes.length} bytes`)
    this.layout = Array.from({ length: count }, () => {
      const kind = KINDS[from.byte()]
      if (!kind) throw new RangeError('unknown column kind in a frame')
      return { kind, id: from.text() }
    })
    this.layoutBytes = Buffer.from(bytes)
    return this.layout
  }
}

function decodeColumn(from: ByteReader, kind: ColumnKind, length: number): Column {
  const column = emptyColumn(kind, length)
  if (column instanceof Uint8Array) column.set(from.bytes(length))
  else if (column instanceof Float64Array) from.doubles(column, 0, length)
  else for (let row = 0; row < length; row++) column[row] = from.byte() === 0 ? null : from.text()
  return column
}
