import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { InputRecord, Membership, Transport } from '../../core/model.ts'
import { Recorder, until } from './recorder.ts'

/** A transport that is open, and what the suite may do to it. */
export interface TransportUnderTest {
  readonly transport: Transport
  /** Called once, after the last test. */
  close(): Promise<void>
  /** Gives a topic more partitions. Without it, the test that needs it is skipped by name. */
  grow?(topic: string, partitions: number): Promise<void>
}

/** What the tests of the suite share. */
export class Fixture {
  private opened: TransportUnderTest | undefined

  set subject(subject: TransportUnderTest) {
    this.opened = subject
  }

  get subject(): TransportUnderTest {
    if (!this.opened) throw new Error('the transport is not open')
    return this.opened
  }

  get transport(): Transport {
    return this.subject.transport
  }

  /** Makes a topic that keeps records of any age. */
  async topic(partitions: number): Promise<string> {
    const name = `suite-${randomUUID()}`
    await this.transport.create({ name, partitions, retentionMs: -1 })
    return name
  }

  group(): string {
    return `suite-${randomUUID()}`
  }

  /** Runs with a new member, which leaves afterwards; fails when the transport broke the contract meanwhile. */
  async joined(
    topics: readonly string[],
    run: (reader: Recorder, member: Membership) => Promise<void>,
    { reader = new Recorder(), group = this.group() } = {},
  ): Promise<void> {
    const member = await this.transport.join(group, topics, reader)
    try {
      await run(reader, member)
    } finally {
      await member.leave()
    }
    expect(reader.faults).toEqual([])
  }

  /** Everything in a topic, by `topic/partition`. */
  async readAll(topic: string): Promise<ReadonlyMap<string, readonly InputRecord[]>> {
    const ranges = await this.transport.ranges(topic)
    const reader = new Recorder(({ partition }) => ranges[partition]?.start ?? 0)
    const isRead = () =>
      ranges.every(({ start, end }, partition) => {
        const last = reader.batches.findLast((batch) => batch.partition === partition)
        return start === end || (last !== undefined && last.next >= end)
      })
    await this.joined([topic], () => until('all is read', isRead), { reader })
    return reader.records
  }
}
