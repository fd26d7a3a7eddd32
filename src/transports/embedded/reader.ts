import { type FileHandle, open } from 'node:fs/promises'
import type { InputRecord, Position } from '../../core/model.ts'
import type { Cursor } from './cursor.ts'
import { codeOf } from './files.ts'
import { decodeRecords, FRAME_BYTES, FRAME_RECORDS, type Frame } from './frame.ts'
import type { PartitionLog } from './log.ts'
import type { Segment } from './segment.ts'

export interface Chunk {
  readonly records: readonly InputRecord[]
  readonly next: Position
  readonly end: Position
}

/** Reads one log from a position on, at most 1 MiB or 4,096 records at a time (a larger record comes alone). */
export class LogReader {
  /** Position of the next record it will answer. */
  position: Position
  private readonly log: PartitionLog
  private at: { readonly segment: Segment; readonly file: FileHandle; readonly cursor: Cursor } | undefined
  private held: Frame | undefined
  private closed = false

  constructor(log: PartitionLog, position: Position) {
    this.log = log
    this.position = position
  }

  /**
   * The next records; `none` at the end of the log; `outside` when the position is not, or no longer, in it. Throws
   * `log-corrupt`.
   */
  async next(): Promise<Chunk | 'none' | 'outside'> {
    try {
      return await this.read()
    } catch (error) {
      // Whoever tries again begins at the same record.
      await this.release()
      throw this.log.remember(error)
    }
  }

  private async read(): Promise<Chunk | 'none' | 'outside'> {
    for (;;) {
      const { start, end } = this.log.range
      if (!this.at && (this.position < start || this.position > end)) return 'outside'
      if (this.position >= end || this.closed) return 'none'
      this.at ??= await this.locate()
      if (this.closed) await this.release()
      if (!this.at) continue
      const records = await this.records(this.at)
      const last = records.at(-1)
      if (last) {
        this.position = last.position + 1
        return { records, next: this.position, end: Math.max(end, this.position) }
      }
      await this.advance(this.at)
    }
  }

  private async locate() {
    const segment = this.log.segments.findLast(({ base }) => base <= this.position)
    if (!segment) return undefined
    const file = await open(segment.path).catch((error) => {
      // Retention was faster.
      if (codeOf(error) === 'ENOENT' && !this.log.segments.includes(segment)) return undefined
      throw error
    })
    if (!file) return undefined
    try {
      if (this.position > segment.base) await segment.index()
      const cursor = segment.cursor(file, this.position)
      return { segment, file, cursor }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** What can be had with one fetch; empty at the end of the segment. */
  private async records({ segment, cursor }: { segment: Segment; cursor: Cursor }): Promise<InputRecord[]> {
    const records: InputRecord[] = []
    let bytes = 0
    let whole = 0
    try {
      for (;;) {
        this.held ??= cursor.take()
        if (!this.held) {
          if (whole > 0 || !(await cursor.fill(segment.size))) return records
          continue
        }
        const { base, count } = this.held
        if (base + count > this.position) {
          bytes += this.held.bytes.length
          if (whole > 0 && (whole + count > FRAME_RECORDS || bytes > FRAME_BYTES)) return records
          decodeRecords(this.held, this.position, records)
          whole = records.length
        }
        this.held = undefined
      }
    } catch (error) {
      // What stands before the damage is handed out first; the next call meets it again.
      if (whole > 0) return records.slice(0, whole)
      throw cursor.explain(error)
    }
  }

  /** Goes over to the next segment, if this one is complete. */
  private async advance({ segment, cursor }: { segment: Segment; cursor: Cursor }): Promise<void> {
    const following = this.log.segments.find(({ base }) => base > segment.base)
    if (!following || cursor.offset < segment.size) return
    if (cursor.position !== following.base) throw segment.hole(cursor.position, following)
    await this.release()
  }

  /** Lets go of the file. */
  private async release(): Promise<void> {
    const file = this.at?.file
    this.at = undefined
    this.held = undefined
    await file?.close()
  }

  async close(): Promise<void> {
    this.closed = true
    await this.release()
  }
}
