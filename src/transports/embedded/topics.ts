import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { ClearStop, MillraceError } from '../../core/errors.ts'
import type { Millis, Partition, TopicSpec } from '../../core/model.ts'
import type { Log } from '../../core/part.ts'
import { codeOf, failure, replaceFile, syncDirectory } from './files.ts'
import { type Fsync, PartitionLog } from './log.ts'

/** Names become directories, so nothing that could lead elsewhere is a name. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/

const Description = z.strictObject({
  partitions: z.int().positive(),
  retentionMs: z.number(),
  compacted: z.boolean(),
  incarnation: z.string().min(1),
})
type Description = z.infer<typeof Description>

interface Topic extends Description {
  /** By partition; opened when first used. */
  readonly logs: Map<number, Promise<PartitionLog>>
  /** Partition for the next draft that has neither partition nor key. */
  turn: number
}

export interface TopicsOptions {
  readonly directory: string
  readonly segmentBytes: number
  readonly fsync: Fsync
  readonly log: Log
}

/** The topics of a directory: `<topic>/topic.json`, `<topic>/<partition>/<base-position>.log`. */
export class Topics {
  private readonly options: TopicsOptions
  private readonly topics = new Map<string, Topic>()
  /** Making, growing and deleting go one after another. */
  private change: Promise<unknown> = Promise.resolve()
  private closed = false

  private constructor(options: TopicsOptions) {
    this.options = options
  }

  static async open(options: TopicsOptions): Promise<Topics> {
    const topics = new Topics(options)
    await mkdir(options.directory, { recursive: true })
    await syncDirectory(dirname(options.directory))
    for (const name of await readdir(options.directory)) {
      const path = join(options.directory, name, 'topic.json')
      try {
        topics.add(name, Description.parse(JSON.parse(await readFile(path, 'utf8'))))
      } catch (error) {
        // A topic is there once its description is: this one was being made or deleted.
        if (codeOf(error) === 'ENOENT') continue
        if (error instanceof SyntaxError || error instanceof z.ZodError)
          throw new ClearStop('log-corrupt', `${path} does not describe a topic: ${error.message}`)
        throw failure(error, path)
      }
    }
    return topics
  }

  find(name: string): Topic | undefined {
    if (this.closed) throw new MillraceError('transport-failed', `the log in ${this.options.directory} is closed`)
    return this.topics.get(name)
  }

  /** Throws `topic-missing`. */
  get(name: string): Topic {
    const topic = this.find(name)
    if (!topic) throw new MillraceError('topic-missing', `there is no topic '${name}'`)
    return topic
  }

  create({ name, partitions, retentionMs, compacted = false }: TopicSpec): Promise<void> {
    return this.serially(async () => {
      if (!NAME.test(name))
        throw new MillraceError('config-invalid', `'${name}' is no topic name: up to 249 of A-Z a-z 0-9 . _ -`)
      const standing = this.topics.get(name)
      if (standing && standing.partitions !== partitions)
        throw new MillraceError('topic-mismatch', `'${name}' has ${standing.partitions} partitions, not ${partitions}`)
      if (standing) return
      await rm(join(this.options.directory, name), { recursive: true, force: true })
      const description = Description.parse({ partitions, retentionMs, compacted, incarnation: randomUUID() })
      await this.write(name, description)
      this.add(name, description)
    })
  }

  /** Gives a topic more partitions. Throws `topic-mismatch` when it has more. */
  grow(name: string, partitions: number): Promise<void> {
    return this.serially(async () => {
      const topic = this.get(name)
      if (partitions < topic.partitions)
        throw new MillraceError('topic-mismatch', `'${name}' has ${topic.partitions} partitions and cannot lose any`)
      await this.write(name, { ...topic, partitions })
      topic.partitions = partitions
    })
  }

  delete(name: string): Promise<void> {
    return this.serially(async () => {
      const topic = this.topics.get(name)
      if (!topic) return
      const directory = join(this.options.directory, name)
      await rm(join(directory, 'topic.json'))
      await syncDirectory(directory)
      this.topics.delete(name)
      for (const log of await Promise.allSettled(topic.logs.values()))
        if (log.status === 'fulfilled') await log.value.close()
      await rm(directory, { recursive: true, force: true })
    })
  }

  /** The log of a partition. Rejects with `log-corrupt` when it is damaged; asked again, it looks again. */
  partition({ topic: name, partition }: Partition): Promise<PartitionLog> {
    const topic = this.get(name)
    if (partition < 0 || partition >= topic.partitions)
      throw new MillraceError('topic-mismatch', `'${name}' has ${topic.partitions} partitions, so no ${partition}`)
    let log = topic.logs.get(partition)
    if (!log) {
      const { segmentBytes, fsync } = this.options
      const directory = join(this.options.directory, name, String(partition))
      const seed = crc32(`${topic.incarnation}/${partition}`)
      log = PartitionLog.open({ directory, seed, segmentBytes, fsync, log: this.options.log })
      topic.logs.set(partition, log)
      log.catch(() => topic.logs.delete(partition))
    }
    return log
  }

  /** Drops what topics need not keep any longer. A partition that fails does not keep the others from it. */
  async retain(now: Millis): Promise<void> {
    const failures: unknown[] = []
    for (const [name, { partitions, retentionMs, compacted }] of this.topics) {
      if (retentionMs < 0 || compacted) continue
      for (let partition = 0; partition < partitions && this.topics.has(name); partition++)
        await this.partition({ topic: name, partition })
          .then((log) => log.retain(now - retentionMs))
          .catch((error) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Forces to the disk what was written without that. */
  async sync(): Promise<void> {
    for (const log of await Promise.allSettled(this.logs())) if (log.status === 'fulfilled') await log.value.sync()
  }

  async close(): Promise<void> {
    this.closed = true
    await this.change
    for (const log of await Promise.allSettled(this.logs())) if (log.status === 'fulfilled') await log.value.close()
  }

  private logs(): Promise<PartitionLog>[] {
    return [...this.topics.values()].flatMap((topic) => [...topic.logs.values()])
  }

  private add(name: string, { partitions, retentionMs, compacted, incarnation }: Description): void {
    this.topics.set(name, { partitions, retentionMs, compacted, incarnation, logs: new Map(), turn: 0 })
  }

  private async write(name: string, { partitions, retentionMs, compacted, incarnation }: Description): Promise<void> {
    const directory = join(this.options.directory, name)
    try {
      for (let partition = 0; partition < partitions; partition++)
        await mkdir(join(directory, String(partition)), { recursive: true })
      await syncDirectory(this.options.directory)
    } catch (error) {
      throw failure(error, directory)
    }
    await replaceFile(
      join(directory, 'topic.json'),
      `${JSON.stringify({ partitions, retentionMs, compacted, incarnation }, null, 2)}\n`,
    )
  }

  private serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.change.then(work)
    this.change = result.catch(() => undefined)
    return result
  }
}
