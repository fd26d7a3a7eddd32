import { constants } from 'node:fs'
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises'
import { ClearStop, MillraceError } from '../../core/errors.ts'
import type { Millis, Position, Range } from '../../core/model.ts'
import type { Log } from '../../core/part.ts'
import { failure, messageOf, syncDirectory } from './files.ts'
import { BadFrame, isAcknowledgedLater, placeFrame, type Unplaced } from './frame.ts'
import { baseOf, Segment } from './segment.ts'

/** When written bytes are forced to the disk: before a write is acknowledged, never, or every so many milliseconds. */
export type Fsync = 'always' | 'never' | number

export interface LogOptions {
  readonly directory: string
  /** Tells this log's frames from those of any other. */
  readonly seed: number
  readonly segmentBytes: number
  readonly fsync: Fsync
  readonly log: Log
}

/** How much one write takes on of what is waiting. */
const WRITE_BYTES = 8 * 1024 * 1024

interface Append {
  readonly frames: readonly Unplaced[]
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** One partition on disk. Records count, and readers see them, once their write is acknowledged. */
export class PartitionLog {
  /** In the order of their positions; the last one is written to. */
  readonly segments: Segment[] = []
  /** Called after every acknowledged write. */
  readonly onAppend = new Set<() => void>()
  readonly seed: number
  private readonly options: LogOptions
  private file: FileHandle | undefined
  private end: Position = 0
  /** Set once a reader has found a damaged segment. */
  damage: ClearStop | undefined
  private queue: Append[] = []
  private flushing: Promise<void> | undefined
  private unsynced = false
  /** The file may hold bytes of a failed write beyond the segment's size. */
  private littered = false
  /** A new segment was begun, perhaps in vain: nothing may be added to the old one any more. */
  private rolling = false
  private closed = false

  private constructor(options: LogOptions) {
    this.options = options
    this.seed = options.seed
  }

  /** Throws `log-corrupt` for a damaged last segment; a torn end is cut off with a warning. */
  static async open(options: LogOptions): Promise<PartitionLog> {
    const log = new PartitionLog(options)
    try {
      await log.load()
    } catch (error) {
      await log.file?.close()
      throw failure(error, options.directory)
    }
    return log
  }

  get range(): Range {
    return { start: (this.segments[0] as Segment).base, end: this.end }
  }

  private get active(): Segment {
    return this.segments.at(-1) as Segment
  }

  private async load(): Promise<void> {
    const { directory, seed } = this.options
    const bases = (await readdir(directory)).map(baseOf).filter((base) => base !== undefined)
    for (const base of bases.sort((a, b) => a - b)) {
      const segment = new Segment(directory, base, 0, seed)
      segment.size = (await stat(segment.path)).size
      this.segments.push(segment)
    }
    if (this.segments.length === 0) return this.begin(0)
    this.file = await open(this.active.path, 'r+')
    await this.recover(this.active, this.file)
  }

  /** Reads the last segment through to find where the log ends. */
  private async recover(segment: Segment, file: FileHandle): Promise<void> {
    const cursor = segment.cursor(file)
    try {
      for (;;) {
        const frame = cursor.take()
        if (frame) segment.note(frame, frame.bytes.length)
        else if (!(await cursor.fill(segment.size))) break
      }
    } catch (error) {
      if (!(error instanceof BadFrame)) throw error
      const tail = Buffer.alloc(segment.size - cursor.offset)
      await file.read(tail, 0, tail.length, cursor.offset)
      if (isAcknowledgedLater(tail, cursor.position, this.seed)) throw cursor.damage(error.message)
      this.options.log.warn(
        { file: segment.path, cut: tail.length, size: cursor.offset, reason: error.message },
        `cut ${tail.length} bytes of an unfinished write from the end of ${segment.path}`,
      )
      await file.truncate(cursor.offset)
      await file.sync()
      segment.size = cursor.offset
    }
    this.end = cursor.position
  }

  /** Makes a new segment the active one. */
  private async begin(base: Position): Promise<void> {
    this.rolling = true
    const segment = new Segment(this.options.directory, base, 0, this.seed)
    const file = await open(segment.path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC)
    try {
      if (this.options.fsync !== 'never') {
        await this.file?.datasync()
        await syncDirectory(this.options.directory)
      }
    } catch (error) {
      await file.close()
      throw error
    }
    await this.file?.close()
    this.file = file
    this.segments.push(segment)
    this.end = base
    this.rolling = false
  }

  /** Resolves when the frames are durable. They follow those of every earlier call. */
  append(frames: readonly Unplaced[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new MillraceError('transport-failed', `${this.options.directory} is closed`))
      this.queue.push({ frames, resolve, reject })
      this.flushing ??= this.flush()
    })
  }

  /** Whoever calls while the disk is busy shares the next write and sync with all others who do. */
  private async flush(): Promise<void> {
    await undefined
    while (this.queue.length > 0) {
      let bytes = 0
      const first = this.queue.findIndex(({ frames }) => {
        bytes += frames.reduce((sum, frame) => sum + frame.bytes.length, 0)
        return bytes > WRITE_BYTES
      })
      const appends = this.queue.splice(0, first === -1 ? this.queue.length : Math.max(first, 1))
      try {
        await this.writeOut(appends.flatMap((append) => append.frames))
        for (const append of appends) append.resolve()
        for (const listener of this.onAppend) listener()
      } catch (error) {
        const failed = failure(error, this.active.path)
        for (const append of appends) append.reject(failed)
      }
    }
    this.flushing = undefined
  }

  private async writeOut(frames: readonly Unplaced[]): Promise<void> {
    if (this.littered) await this.tidy()
    const size = frames.reduce((sum, frame) => sum + frame.bytes.length, 0)
    const isFull = this.active.size > 0 && this.active.size + size > this.options.segmentBytes
    if (this.rolling || isFull) await this.begin(this.end)
    const segment = this.active
    let base = this.end
    for (const frame of frames) {
      placeFrame(frame, base, this.end, this.seed)
      base += frame.count
    }
    this.littered = true
    try {
      await this.put(frames, segment.size)
      if (this.options.fsync === 'always') await this.file?.datasync()
      else this.unsynced = true
      this.littered = false
    } catch (error) {
      await this.tidy().catch((failed) =>
        this.options.log.warn(
          { file: segment.path, reason: messageOf(failed) },
          'could not take back a failed write; next write tries again',
        ),
      )
      throw error
    }
    for (const frame of frames) {
      segment.note({ ...frame, base: this.end }, frame.bytes.length)
      this.end += frame.count
    }
    segment.size += size
  }

  private async put(frames: readonly Unplaced[], offset: number): Promise<void> {
    const [first] = frames
    const bytes = first && frames.length === 1 ? first.bytes : Buffer.concat(frames.map((frame) => frame.bytes))
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await (this.file as FileHandle).write(bytes, at, bytes.length - at, offset + at)
      at += bytesWritten
    }
  }

  /** Takes a failed write back. */
  private async tidy(): Promise<void> {
    await this.file?.truncate(this.active.size)
    this.littered = false
  }

  /** Forces to the disk what `fsync` left unforced. */
  async sync(): Promise<void> {
    if (!this.unsynced) return
    this.unsynced = false
    try {
      await this.file?.datasync()
    } catch (error) {
      this.unsynced = true
      throw failure(error, this.active.path)
    }
  }

  async positionAt(time: Millis): Promise<Position> {
    for (const segment of [...this.segments]) {
      try {
        const position = await segment.positionAt(time)
        if (position !== undefined) return position
        const ends = await segment.end()
        const next = this.segments[this.segments.indexOf(segment) + 1]
        if (next && next.base !== ends) throw segment.hole(ends, next)
      } catch (error) {
        // Retention may have been faster.
        if (this.segments.includes(segment)) throw this.remember(error)
      }
    }
    return this.end
  }

  /** Drops whole segments from the start whose records are all stamped before `time`; never the one written to. */
  async retain(time: Millis): Promise<void> {
    while (this.segments.length > 1) {
      const oldest = this.segments[0] as Segment
      if ((await oldest.newestTimestamp()) >= time || this.segments[0] !== oldest) return
      this.segments.shift()
      await rm(oldest.path, { force: true })
    }
  }

  /** Keeps a damage in mind, so that whoever asks for the log's range learns of it. */
  remember(error: unknown): MillraceError {
    if (error instanceof ClearStop) this.damage ??= error
    return failure(error, this.options.directory)
  }

  /** Writes what is queued, and lets go of the files. */
  async close(): Promise<void> {
    this.closed = true
    await this.flushing
    if (this.options.fsync !== 'never') await this.sync()
    await this.file?.close()
    this.file = undefined
  }
}
