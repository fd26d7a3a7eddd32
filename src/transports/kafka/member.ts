/**
 * A member of a group: keeps a session going for ever, and keeps for every partition assigned here the position to go
 * on from. kafkajs is never trusted with positions: it forgets them in a rebalance, delivers what it fetched before a
 * seek, and starts somewhere else without a word when a position is outside the log.
 */

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EachBatchPayload } from 'kafkajs'
import { MillraceError } from '../../core/errors.ts'
import type { MemberEvents, Membership, Partition, Position, Range, TopicInfo } from '../../core/model.ts'
import type { Log } from '../../core/part.ts'
import { nameOf } from '../../core/partition.ts'
import type { Assignment } from './assigner.ts'
import { messageOf } from './client.ts'
import type { RecordSet } from './fetch.ts'
import { recordsFrom } from './read.ts'
import { type Session, type SessionEvents, within } from './session.ts'

const REOPEN_PAUSE_MS = 500
const FIRST_RESTART_PAUSE_MS = 200
const LONGEST_RESTART_PAUSE_MS = 3_000
/** What the transport is given by its caller when a member leaves. */
const LEAVE_WITHIN_MS = 900
/**
 * The fetch loop waits so long for a batch to be accepted: once it has gone on without the partition, it may not ask
 * for it again before `maxWaitTime`.
 */
const ACCEPT_WITHIN_MS = 100

/** What a member needs of the rest of the transport. */
export interface Surroundings {
  readonly log: Log
  /** How often to look at the topics, in ms. */
  readonly refresh: number
  session(topics: readonly string[], on: SessionEvents): Session
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>>
  ranges(topic: string): Promise<readonly Range[]>
  left(member: Member): void
}

/** A partition assigned here. Another object after it was closed and opened again: what holds an older one is stale. */
interface Held {
  readonly partition: Partition
  /** Position of the next record to deliver; undefined until the engine has said. */
  next: Position | undefined
  /** A batch is not yet accepted, or the position is being checked: nothing is fetched. */
  busy: boolean
  /** A jump seen right after `at` was found to be in the log: seen again, it is a gap in the log. */
  gap: { readonly at: Position; readonly to: Position } | undefined
}

export class Member implements Membership {
  trouble: string | undefined
  private readonly around: Surroundings
  private readonly group: string
  private topics: readonly string[]
  private readonly on: MemberEvents
  private readonly held = new Map<string, Held>()
  private readonly leaving = new AbortController()
  private session: Session | undefined
  private memberId: string | undefined
  private since = 0
  private left: Promise<void> | undefined
  /** Aborted when other topics are to be read: the session then gives way to another. */
  private resubscribing = new AbortController()
  /** What is held stays open through the change of sessions: only the fence protects anyway. */
  private keeps = false

  constructor(around: Surroundings, group: string, topics: readonly string[], on: MemberEvents) {
    this.around = around
    this.group = group
    this.topics = topics
    this.on = on
  }

  /** Stays in the group until it leaves, whatever happens. */
  start(): void {
    void this.stay()
  }

  // ------------------------------------------------------------- membership

  async commit(positions: readonly { readonly partition: Partition; readonly position: Position }[]): Promise<void> {
    const here = positions.filter(({ partition }) => this.held.has(nameOf(partition)))
    if (here.length === 0) return
    if (!this.session) throw new MillraceError('transport-failed', `not a member of group ${this.group} just now`)
    try {
      await this.session.commit(here)
    } catch (error) {
      throw new MillraceError('transport-failed', `group ${this.group} took no positions: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }

  seek(partition: Partition, position: Position): void {
    const held = this.held.get(nameOf(partition))
    if (held?.next === undefined) return
    held.next = position
    held.gap = undefined
    this.session?.seek(partition, position)
  }

  /** Resolves at once; a session that reads them follows. */
  async subscribe(topics: readonly string[]): Promise<void> {
    const names = new Set(topics)
    this.topics = [...names]
    for (const held of [...this.held.values()]) if (!names.has(held.partition.topic)) this.close(held)
    this.resubscribing.abort()
  }

  leave(): Promise<void> {
    this.left ??= this.end()
    return this.left
  }

  private async end(): Promise<void> {
    this.leaving.abort()
    for (const held of [...this.held.values()]) this.close(held)
    await this.session?.end(LEAVE_WITHIN_MS)
    this.around.left(this)
  }

  // ------------------------------------------------------------- sessions

  private async stay(): Promise<void> {
    const { log } = this.around
    let pause = FIRST_RESTART_PAUSE_MS
    while (!this.leaving.signal.aborted) {
      const started = performance.now()
      const reason = await this.live().catch(messageOf)
      if (this.leaving.signal.aborted) return
      if (this.resubscribing.signal.aborted) continue
      if (performance.now() - started > LONGEST_RESTART_PAUSE_MS * 2) pause = FIRST_RESTART_PAUSE_MS
      this.trouble = `out of the group: ${reason}`
      log.warn({ group: this.group, reason, pause }, 'out of the group; joining again')
      await this.wait(pause)
      pause = Math.min(pause * 2, LONGEST_RESTART_PAUSE_MS)
    }
  }

  /** One session. Answers why it is over. */
  private async live(): Promise<string> {
    this.resubscribing = new AbortController()
    const leavingOrOthers = AbortSignal.any([this.leaving.signal, this.resubscribing.signal])
    if (this.topics.length === 0) {
      await aborted(leavingOrOthers)
      return 'nothing to read'
    }
    const known = await this.around.topics(this.topics)
    if (known.size === 0) return `none of its topics exists: ${this.topics.join(', ')}`
    if (this.leaving.signal.aborted) return 'left'
    const missing = this.topics.filter((topic) => !known.has(topic))
    if (missing.length > 0) this.around.log.warn({ topics: missing }, 'topics are missing; reading the others')
    const session = this.around.session([...known.keys()], {
      standing: () => ({ owned: this.owned(), since: this.since }),
      assigned: (memberId, partitions) => this.assigned(memberId, partitions),
      batch: (payload) => this.batch(payload),
    })
    this.session = session
    session.start()
    const ended = new AbortController()
    const changed = this.watch(session, known, AbortSignal.any([ended.signal, this.leaving.signal]))
    const reason = await Promise.race([session.over, changed, aborted(this.resubscribing.signal)])
    ended.abort()
    if (this.leaving.signal.aborted) return 'left'
    this.keeps = this.resubscribing.signal.aborted
    this.session = undefined
    await session.end(LEAVE_WITHIN_MS)
    return reason
  }

  /** Resolves when a topic was recreated, removed or added; new partitions only make the group rebalance. */
  private async watch(session: Session, before: ReadonlyMap<string, TopicInfo>, ended: AbortSignal): Promise<string> {
    const partitions = new Map([...before].map(([topic, info]) => [topic, info.partitions]))
    for (;;) {
      await sleep(this.around.refresh, undefined, { signal: ended }).catch(() => undefined)
      if (ended.aborted) return session.over
      const now = await this.around.topics(this.topics).catch(() => undefined)
      if (!now) continue
      for (const topic of this.topics)
        if (now.get(topic)?.incarnation !== before.get(topic)?.incarnation)
          return `topic ${topic} was made, removed or made again`
      const grown = [...now].filter(([topic, info]) => info.partitions !== partitions.get(topic))
      if (grown.length === 0) continue
      const isDone = await session.refresh().then(
        () => true,
        () => false,
      )
      if (isDone) for (const [topic, info] of grown) partitions.set(topic, info.partitions)
    }
  }

  private owned(): Assignment {
    const owned: Assignment = new Map()
    for (const { partition } of this.held.values())
      owned.set(partition.topic, [...(owned.get(partition.topic) ?? []), partition.partition])
    return owned
  }

  // ------------------------------------------------------------- partitions

  /** Synchronous up to the pauses and seeks: nothing may be fetched in between. */
  private assigned(memberId: string, partitions: readonly Partition[]): void {
    for (const partition of partitions) this.session?.pause(partition)
    // under a new name we were out of the group: others may have had what we have now
    const isNew = memberId !== this.memberId && !this.keeps
    this.keeps = false
    this.memberId = memberId
    this.since = Date.now()
    this.trouble = undefined
    const names = new Set(partitions.map(nameOf))
    for (const [name, held] of [...this.held]) if (isNew || !names.has(name)) this.close(held)
    for (const partition of partitions) {
      const held = this.held.get(nameOf(partition))
      if (held) this.goOn(held)
      else void this.open(partition)
    }
    this.around.log.debug({ group: this.group, partitions: names.size }, 'assigned')
  }

  private isHere(held: Held): boolean {
    return this.held.get(nameOf(held.partition)) === held
  }

  private async open(partition: Partition): Promise<void> {
    const held: Held = { partition, next: undefined, busy: false, gap: undefined }
    this.held.set(nameOf(partition), held)
    while (this.isHere(held)) {
      try {
        const position = await this.on.opened(partition)
        if (!this.isHere(held)) return
        held.next = position
        return this.goOn(held)
      } catch (error) {
        this.around.log.debug({ ...partition, error: messageOf(error) }, 'not opened; asking again')
        await this.wait(REOPEN_PAUSE_MS)
      }
    }
  }

  private close(held: Held): void {
    if (!this.isHere(held)) return
    this.held.delete(nameOf(held.partition))
    this.on.closed(held.partition)
  }

  /** The engine decides again what to do with this partition. */
  private reopen(held: Held): void {
    this.session?.pause(held.partition)
    this.close(held)
    void this.open(held.partition)
  }

  /** Fetching goes on from `next`, unless there is something to wait for. */
  private goOn(held: Held): void {
    if (!this.isHere(held) || held.next === undefined) return
    this.session?.seek(held.partition, held.next)
    if (!held.busy) this.session?.resume(held.partition)
  }

  // ------------------------------------------------------------- batches

  private async batch({ batch, resolveOffset }: EachBatchPayload): Promise<void> {
    const held = this.held.get(nameOf(batch))
    // fetched for an earlier assignment or before it was paused
    if (held?.next === undefined || held.busy) return
    const fetched = Number((batch as unknown as { fetchedOffset: string }).fetchedOffset)
    const end = Number(batch.highWatermark)
    const isGap = held.gap?.at === held.next && fetched >= held.gap.to
    if (fetched !== held.next && !isGap) return this.misplaced(held, fetched, end)
    const [set] = batch.messages as unknown as RecordSet[]
    const lastOffset = batch.lastOffset()
    const next = Number(lastOffset) + 1
    resolveOffset(lastOffset)
    const records = set ? recordsFrom(held.next, set.records) : []
    held.next = next
    held.gap = undefined
    held.busy = true
    this.session?.pause(held.partition)
    const accepted = this.on.batch({ ...held.partition, records, next, end: Math.max(end, next) }).then(
      () => this.accepted(held),
      (error: unknown) => {
        this.around.log.error({ ...held.partition, error: messageOf(error) }, 'a batch was refused; opening again')
        if (this.isHere(held)) this.reopen(held)
      },
    )
    await within(accepted, ACCEPT_WITHIN_MS)
  }

  private accepted(held: Held): void {
    held.busy = false
    if (this.isHere(held)) this.session?.resume(held.partition)
  }

  /** A batch from another position than we want: fetched before a seek, or kafkajs has gone elsewhere. */
  private misplaced(held: Held, fetched: Position, end: Position): void {
    const wanted = held.next as Position
    if (fetched > wanted || end < wanted) void this.check(held, fetched)
    else this.session?.seek(held.partition, wanted)
  }

  /** Is the position we want still in the log? If so what we saw was stale, or there is a gap in the log. */
  private async check(held: Held, fetched: Position): Promise<void> {
    held.busy = true
    this.session?.pause(held.partition)
    while (this.isHere(held)) {
      const ranges = await this.around.ranges(held.partition.topic).catch((error: unknown) => {
        this.around.log.debug({ ...held.partition, error: messageOf(error) }, 'the log is not known; asking again')
      })
      if (!this.isHere(held)) return
      if (!ranges) {
        await this.wait(REOPEN_PAUSE_MS)
        continue
      }
      const range = ranges[held.partition.partition]
      const wanted = held.next as Position
      if (!range || wanted < range.start || wanted > range.end) return this.reopen(held)
      held.busy = false
      if (fetched > wanted) held.gap = { at: wanted, to: fetched }
      return this.goOn(held)
    }
  }

  /** Shorter when the member leaves. */
  private async wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.leaving.signal }).catch(() => undefined)
  }
}

async function aborted(signal: AbortSignal): Promise<string> {
  if (!signal.aborted) await once(signal, 'abort')
  return 'other topics are to be read'
}
