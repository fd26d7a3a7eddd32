import type { KafkaMessage } from 'kafkajs'
import type { InputRecord } from '../../core/model.ts'

const NO_HEADERS: Readonly<Record<string, Buffer>> = Object.freeze({})

/** kafkajs's messages as records; called for every record that is read. */
export function recordsOf(messages: readonly KafkaMessage[]): InputRecord[] {
  const records = new Array<InputRecord>(messages.length)
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i] as KafkaMessage
    records[i] = {
      position: Number(message.offset),
      timestamp: Number(message.timestamp),
      key: message.key,
      value: message.value,
      headers: headersOf(message.headers),
    }
  }
  return records
}

function headersOf(headers: KafkaMessage['headers']): Readonly<Record<string, Buffer>> {
  for (const _ in headers) return copied(headers)
  return NO_HEADERS
}

/** Of a name that comes twice the last value counts; a header without a value is left out. */
function copied(headers: NonNullable<KafkaMessage['headers']>): Readonly<Record<string, Buffer>> {
  const entries = Object.entries(headers).flatMap(([name, value]) => {
    const last = Array.isArray(value) ? value.at(-1) : value
    return last === undefined || last === null ? [] : [[name, Buffer.from(last as Buffer)] as const]
  })
  return Object.fromEntries(entries)
}
