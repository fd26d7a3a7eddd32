import { join, resolve } from 'node:path'
import { z } from 'zod'
import { lockDirectory } from '../../connections/directory-lock.ts'
import { duration } from '../../core/duration.ts'
import { MillraceError } from '../../core/errors.ts'
import { partitionOf } from '../../core/key.ts'
import type {
  Batch,
  Draft,
  MemberEvents,
  Millis,
  Partition,
  Position,
  TopicInfo,
  TopicSpec,
  Transport,
} from '../../core/model.ts'
import type { Part, PartContext } from '../../core/part.ts'
import { failure, messageOf } from './files.ts'
import { encodeFrames } from './frame.ts'
import { Groups } from './groups.ts'
import { LogReader } from './reader.ts'
import { Topics } from './topics.ts'

const config = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('.millrace/log')
    .describe('Directory of the log; relative paths start from the configuration file. One process at a time.'),
  segmentBytes: z
    .int()
    .min(1024)
    .max(1024 * 1024 * 1024)
    .default(64 * 1024 * 1024)
    .describe('Bytes after which a partition goes on in a new file. Retention drops whole files.'),
  fsync: z
    .union([z.enum(['always', 'never']), duration], 'always, never, or a duration such as 100ms')
    .default('always')
    .describe(
      'When records are forced to the disk. always: before a write is acknowledged, one sync for all that wait; ' +
        'a duration: every so often; never: left to the operating system. Other than with always, ' +
        'a crash of the machine (not of the process) may lose acknowledged records.',
    ),
  retentionCheck: duration
    .default(60_000)
    .describe('Time between looks for files that hold only records older than their topic keeps.'),
})

/** Directories open in this process; the lock in the directory tells processes apart. */
const open = new Set<string>()

/** Takes the directory and answers how to give it back. */
function take(path: string): () => void {
  if (open.has(path)) throw new MillraceError('already-running', `this process holds ${path} already`)
  try {
    const unlock = lockDirectory(path)
    open.add(path)
    return () => {
      open.delete(path)
      unlock()
    }
  } catch (error) {
    throw failure(error, path)
  }
}

/** The embedded log, with what only a log of one's own can do. */
export class EmbeddedTransport implements Transport {
  private readonly all: Topics
  private readonly groups: Groups
  private readonly release: () => void
  private readonly timers: NodeJS.Timeout[] = []

  private constructor(all: Topics, groups: Groups, release: () => void) {
    this.all = all
    this.groups = groups
    this.release = release
  }

  /** Throws `already-running` when another process has the directory. */
  static async open(settings: z.infer<typeof config>, { directory, log }: Pick<PartContext, 'directory' | 'log'>) {
    const path = resolve(directory, settings.path)
    const release = take(path)
    try {
      const { segmentBytes, fsync } = settings
      const topics = await Topics.open({ directory: join(path, 'topics'), segmentBytes, fsync, log })
      const transport = new EmbeddedTransport(topics, new Groups(join(path, 'groups'), topics, log), release)
      const every = (ms: Millis, what: string, work: () => Promise<void>) =>
        transport.timers.push(
          setInterval(() => {
            work().catch((error) => log.error({ reason: messageOf(error) }, `${what} failed; tried again`))
          }, ms).unref(),
        )
      every(settings.retentionCheck, 'retention', () => transport.retain(Date.now()))
      if (typeof fsync === 'number') every(fsync, 'forcing records to the disk', () => topics.sync())
      return transport
    } catch (error) {
      release()
      throw error
    }
  }

  async topics(names: readonly string[]): Promise<Map<string, TopicInfo>> {
    const known = new Map<string, TopicInfo>()
    for (const name of names) {
      const topic = this.all.find(name)
      if (topic) known.set(name, { partitions: topic.partitions, incarnation: topic.incarnation })
    }
    return known
  }

  async create(spec: TopicSpec): Promise<void> {
    await this.all.create(spec)
    this.groups.refresh()
  }

  /** Gives a topic more partitions; keys may be placed elsewhere from then on. Throws `topic-mismatch` for fewer. */
  async grow(topic: string, partitions: number): Promise<void> {
    await this.all.grow(topic, partitions)
    this.groups.refresh()
  }

  /** Deletes a topic with all its records; no-op when there is none. */
  async deleteTopic(topic: string): Promise<void> {
    await this.all.delete(topic)
    this.groups.refresh()
  }

  /** Throws `log-corrupt` once a part of the topic was found damaged. */
  async ranges(topic: string) {
    const { partitions } = this.all.get(topic)
    return Promise.all(
      Array.from({ length: partitions }, async (_, partition) => {
        const log = await this.all.partition({ topic, partition })
        if (log.damage) throw log.damage
        return log.range
      }),
    )
  }

  async positionAt(partition: Partition, time: Millis): Promise<Position> {
    return (await this.all.partition(partition)).positionAt(time)
  }

  async read(partition: Partition, position: Position): Promise<Batch> {
    const log = await this.all.partition(partition)
    const reader = new LogReader(log, position)
    try {
      const chunk = await reader.next()
      if (chunk === 'none') return { ...partition, records: [], next: position, end: Math.max(position, log.range.end) }
      if (chunk !== 'outside') return { ...partition, ...chunk }
      const { start, end } = log.range
      const place = `${partition.topic}/${partition.partition}`
      throw new MillraceError('position-outside-log', `${place} holds ${start} to ${end}, the position is ${position}`)
    } finally {
      await reader.close()
    }
  }

  async committed(group: string, topic: string) {
    return this.groups.committed(group, topic)
  }

  async join(group: string, topics: readonly string[], on: MemberEvents) {
    return this.groups.join(group, topics, on)
  }

  /** Throws `topic-missing` and `topic-mismatch` (no such partition) before anything is written, `disk-full` after. */
  async write(drafts: readonly Draft[]): Promise<void> {
    const writes = new Map<string, { readonly to: Partition; readonly drafts: Draft[] }>()
    for (const draft of drafts) {
      const to = { topic: draft.topic, partition: this.place(draft) }
      const name = `${to.topic}/${to.partition}`
      const write = writes.get(name)
      if (write) write.drafts.push(draft)
      else writes.set(name, { to, drafts: [draft] })
    }
    const now = Date.now()
    const encoded = [...writes.values()].map((write) => ({
      log: this.all.partition(write.to),
      frames: encodeFrames(write.drafts, now),
    }))
    const results = await Promise.allSettled(
      encoded.map(({ log, frames }) => log.then((opened) => opened.append(frames))),
    )
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  private place({ topic: name, partition, key }: Draft): number {
    const topic = this.all.get(name)
    if (partition !== undefined) return partition
    if (key !== null) return partitionOf(key, topic.partitions)
    topic.turn = (topic.turn + 1) % topic.partitions
    return topic.turn
  }

  /** Drops files that hold only records older, at `now`, than their topic keeps. Called by itself now and then. */
  retain(now: Millis): Promise<void> {
    return this.all.retain(now)
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer)
    await this.groups.close()
    await this.all.close()
    this.release()
  }
}

const embedded: Part<z.infer<typeof config>, EmbeddedTransport> = {
  summary: 'A durable log on the local disk, for one process on one machine.',
  config,
  example: `
transport:
  kind: embedded
  path: .millrace/log
`,
  notes: `
Records of a topic live in \`<path>/topics/<topic>/<partition>/<base position>.log\`, checked by CRC32. The unfinished
end that a crash may leave is cut off when the log is opened, and a warning says how much; damage to anything that was
acknowledged before later records is a clear stop (\`log-corrupt\`) that names the file and the byte. When the disk is full,
writes reject with \`disk-full\` and work again once there is room.

Retention goes by the newest record timestamp of a file and never touches the file being written to, so a quiet
topic keeps old records longer. Compacted topics keep everything.

Members of a group are those of this process; what a group has committed lives in \`<path>/groups/<group>.json\`. The
directory belongs on a local disk: its lock tells processes of one machine apart, not machines.
`,
  open: (settings, context) => EmbeddedTransport.open(settings, context),
}

export default embedded
