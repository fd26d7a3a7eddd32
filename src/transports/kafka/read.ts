/** Reading outside of groups. */
import { MillraceError } from '../../core/errors.ts'
import type { Batch, InputRecord, Partition, Position } from '../../core/model.ts'
import type { Client } from './client.ts'
import { errorOf, fetchRequest } from './library.ts'

const OFFSET_OUT_OF_RANGE = 1

/** One fetch from the leader, of at most about `maxBytes`. */
export async function read(client: Client, from: Partition, position: Position, maxBytes: number): Promise<Batch> {
  const { topic, partition } = from
  return client.patiently(`reading ${topic}/${partition}`, async () => {
    const { leaders } = (await client.topicsNamed([topic])).get(topic) ?? { leaders: [] }
    const request = fetchRequest(from, position, maxBytes)
    const answer = await client.ask(leaders[partition] ?? -1, (broker) => broker.connectionPool.send(request))
    const found = answer.responses[0]?.partitions[0]
    if (answer.errorCode !== 0 || !found) throw errorOf(answer.errorCode)
    if (found.errorCode === OFFSET_OUT_OF_RANGE)
      throw new MillraceError('position-outside-log', `position ${position} is not in ${topic}/${partition}`)
    if (found.errorCode !== 0) throw errorOf(found.errorCode)
    const [set] = found.messages
    const next = set ? Math.max(position, Number(set.offset) + 1) : position
    const records = set ? recordsFrom(position, set.records) : []
    return { topic, partition, records, next, end: Math.max(next, Number(found.highWatermark)) }
  })
}

/** What is fetched is whole batches, also when the first begins before the position asked for. */
export function recordsFrom(position: Position, records: readonly InputRecord[]): readonly InputRecord[] {
  const first = records.findIndex((record) => record.position >= position)
  return first === 0 ? records : first < 0 ? [] : records.slice(first)
}
