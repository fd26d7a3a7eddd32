/** Reads the partitions of a topic from where it stood last time to their ends. */
import type { InputRecord, Transport } from '../../src/core/model.ts'

export class LogReader {
  private readonly transport: Transport
  private readonly topic: string
  private readonly positions: number[] = []

  constructor(transport: Transport, topic: string) {
    this.transport = transport
    this.topic = topic
  }

  /** What was written since the last call, partition by partition in its order. */
  async *more(): AsyncIterable<InputRecord & { readonly partition: number }> {
    const { topic, transport } = this
    if (!(await transport.topics([topic])).has(topic)) return
    for (const [partition, { start, end }] of (await transport.ranges(topic)).entries())
      for (let position = this.positions[partition] ?? start; position < end; this.positions[partition] = position) {
        const { records, next } = await transport.read({ topic, partition }, position)
        for (const record of records) yield { ...record, partition }
        position = next
      }
  }
}
