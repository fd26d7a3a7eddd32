import { boundOf, type Content, RecordBatch } from '../../../src/transports/kafka/record-batch.ts'

/** The timestamp in ms. */
export type Message = Content & { readonly timestamp: number }

/** A batch of these, of at least one. */
export function recordBatch(messages: readonly Message[]): Buffer {
  const batch = new RecordBatch()
  for (const message of messages) batch.add(message, boundOf(message), message.timestamp)
  return batch.bytes()
}
