import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { ClearStop } from '../../core/errors.ts'
import type { InputRecord, Millis, Position } from '../../core/model.ts'
import { Cursor } from './cursor.ts'
import { decodeRecords, type Frame } from './frame.ts'

const INDEX_EVERY = 64 * 1024

/** A place where a frame begins, and the newest timestamp among all records of the segment before it. */
interface Point {
  readonly position: Position
  readonly offset: number
  readonly newestBefore: Millis
}

export const segmentName = (base: Position) => `${String(base).padStart(13, '0')}.log`
export const baseOf = (name: string): Position | undefined =>
  /^\d{13}\.log$/.test(name) ? Number.parseInt(name, 10) : undefined

/** One file of a log. What is in it is learnt when it is written or first asked for. */
export class Segment {
  readonly base: Position
  readonly path: string
  /** Bytes that count; what the file has beyond is not written yet. */
  size: number
  private readonly seed: number
  private newest: Millis = Number.NEGATIVE_INFINITY
  private readonly points: Point[] = []
  private indexed = 0
  private next: Position

  constructor(directory: string, base: Position, size: number, seed: number) {
    this.base = base
    this.next = base
    this.path = join(directory, segmentName(base))
    this.size = size
    this.seed = seed
  }

  /** A cursor at the last known frame at or before `position`. Whoever opened `file` closes it. */
  cursor(file: FileHandle, position: Position = this.base): Cursor {
    const from = this.points.findLast((point) => point.position <= position)
    return new Cursor(file, this.path, this.seed, from ?? { position: this.base, offset: 0 })
  }

  /** Takes the next frame into the index. */
  note({ base, count, newest }: Pick<Frame, 'base' | 'count' | 'newest'>, bytes: number): void {
    if (this.indexed - (this.points.at(-1)?.offset ?? -INDEX_EVERY) >= INDEX_EVERY)
      this.points.push({ position: base, offset: this.indexed, newestBefore: this.newest })
    this.newest = Math.max(this.newest, newest)
    this.indexed += bytes
    this.next = base + count
  }

  /** Reads what the index does not cover yet. Throws `log-corrupt`. */
  async index(): Promise<void> {
    if (this.indexed >= this.size) return
    await this.walk(undefined, (frame, cursor) => {
      // Somebody else may be indexing too.
      if (cursor.offset - frame.bytes.length === this.indexed) this.note(frame, frame.bytes.length)
      return false
    })
  }

  /** Newest timestamp among its records; -Infinity when it has none. */
  async newestTimestamp(): Promise<Millis> {
    await this.index()
    return this.newest
  }

  /** Position after its last record. */
  async end(): Promise<Position> {
    await this.index()
    return this.next
  }

  /** The clear stop for a segment that ends elsewhere than the next begins. */
  hole(ends: Position, next: Segment): ClearStop {
    return new ClearStop(
      'log-corrupt',
      `${this.path} is damaged at byte ${this.size}: it ends before position ${ends}, but ${next.path} follows`,
    )
  }

  /** First record stamped at or after `time`. */
  async positionAt(time: Millis): Promise<Position | undefined> {
    if ((await this.newestTimestamp()) < time) return undefined
    const from = this.points.findLast((point) => point.newestBefore < time)
    let found: Position | undefined
    await this.walk(from?.position, (frame) => {
      if (frame.newest < time) return false
      const records: InputRecord[] = []
      decodeRecords(frame, frame.base, records)
      found = records.find((record) => record.timestamp >= time)?.position
      return found !== undefined
    })
    return found
  }

  private async walk(from: Position | undefined, visit: (frame: Frame, cursor: Cursor) => boolean): Promise<void> {
    await using file = await open(this.path)
    const cursor = this.cursor(file, from)
    try {
      for (;;) {
        const frame = cursor.take()
        if (frame ? visit(frame, cursor) : !(await cursor.fill(this.size))) return
      }
    } catch (error) {
      throw cursor.explain(error)
    }
  }
}
