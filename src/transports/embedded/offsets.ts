import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ClearStop } from '../../core/errors.ts'
import type { Position } from '../../core/model.ts'
import { codeOf, failure, replaceFile } from './files.ts'

/** By topic; positions are those of one incarnation, by partition. */
const Stored = z.record(
  z.string(),
  z.strictObject({ incarnation: z.string(), positions: z.record(z.string(), z.int().nonnegative()) }),
)

/** What a group has told to have read: one file a group, replaced whole. */
export class Offsets {
  private readonly path: string
  private topics: z.infer<typeof Stored> = {}
  private writing: Promise<void> | undefined
  private waiting: Promise<void> | undefined

  private constructor(path: string) {
    this.path = path
  }

  static async open(directory: string, group: string): Promise<Offsets> {
    await mkdir(directory, { recursive: true })
    const offsets = new Offsets(join(directory, `${encodeURIComponent(group)}.json`))
    try {
      offsets.topics = Stored.parse(JSON.parse(await readFile(offsets.path, 'utf8')))
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof z.ZodError)
        throw new ClearStop('log-corrupt', `${offsets.path} does not hold positions: ${error.message}`)
      if (codeOf(error) !== 'ENOENT') throw failure(error, offsets.path)
    }
    return offsets
  }

  get(topic: string, incarnation: string, partition: number): Position | undefined {
    const stored = this.topics[topic]
    return stored?.incarnation === incarnation ? stored.positions[partition] : undefined
  }

  /** Takes effect with the next `save`. */
  set(topic: string, incarnation: string, partition: number, position: Position): void {
    if (this.topics[topic]?.incarnation !== incarnation) this.topics[topic] = { incarnation, positions: {} }
    const stored = this.topics[topic]
    if (stored) stored.positions[partition] = position
  }

  /** Resolves when what was set before is durable. Whoever asks while the file is being written shares the next write. */
  save(): Promise<void> {
    const write = () => {
      this.waiting = undefined
      this.writing = replaceFile(this.path, `${JSON.stringify(this.topics, null, 2)}\n`).finally(() => {
        this.writing = undefined
      })
      return this.writing
    }
    this.waiting ??= (this.writing ?? Promise.resolve()).then(write, write)
    return this.waiting
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.waiting, this.writing])
  }
}
