import type { FileHandle } from 'node:fs/promises'
import { ClearStop } from '../../core/errors.ts'
import type { Position } from '../../core/model.ts'
import { BadFrame, FRAME_BYTES, type Frame, frameAt } from './frame.ts'

/** Walks the frames of one segment file and checks each; reads the file in chunks of about 1 MiB. */
export class Cursor {
  /** Position that the next frame must have. */
  position: Position
  /** Where the next frame begins in the file. */
  offset: number
  readonly path: string
  private readonly file: FileHandle
  private readonly seed: number
  private chunk: Buffer = Buffer.alloc(0)
  private at = 0
  private wanted = 0

  constructor(file: FileHandle, path: string, seed: number, from: { position: Position; offset: number }) {
    this.file = file
    this.path = path
    this.seed = seed
    this.position = from.position
    this.offset = from.offset
  }

  /** The next frame if all of it has been fetched. Throws `BadFrame` or `log-corrupt`; the cursor then stays before it. */
  take(): Frame | undefined {
    const frame = frameAt(this.chunk, this.at, this.seed)
    if (typeof frame === 'number') {
      this.wanted = frame
      return undefined
    }
    if (frame.base !== this.position || frame.count === 0)
      throw this.damage(`records from position ${frame.base} stand where ${this.position} belongs`)
    this.at += frame.bytes.length
    this.offset += frame.bytes.length
    this.position += frame.count
    return frame
  }

  /** Fetches more, no further than `limit`; false when all before it has been taken. Throws `BadFrame` if a frame crosses it. */
  async fill(limit: number): Promise<boolean> {
    const rest = this.chunk.length - this.at
    const left = limit - this.offset
    if (left <= 0) return false
    if (left < this.wanted) throw new BadFrame(`it ends ${left} bytes into a frame`)
    const chunk = Buffer.allocUnsafeSlow(Math.min(left, Math.max(FRAME_BYTES, this.wanted)))
    this.chunk.copy(chunk, 0, this.at)
    let filled = rest
    while (filled < chunk.length) {
      const { bytesRead } = await this.file.read(chunk, filled, chunk.length - filled, this.offset + filled)
      if (bytesRead === 0) throw new BadFrame(`the file ends at byte ${this.offset + filled}`)
      filled += bytesRead
    }
    this.chunk = chunk
    this.at = 0
    this.wanted = 0
    return true
  }

  /** The clear stop for bytes that cannot be explained by an unfinished write. */
  damage(reason: string): ClearStop {
    return new ClearStop('log-corrupt', `${this.path} is damaged at byte ${this.offset}: ${reason}`)
  }

  /** Passes `BadFrame` on as that clear stop. */
  explain(error: unknown): unknown {
    return error instanceof BadFrame ? this.damage(error.message) : error
  }
}
