import type { KafkaMessage } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { recordsOf } from '../../../src/transports/kafka/records.ts'

const message = (headers: NonNullable<KafkaMessage['headers']>): KafkaMessage => ({
  offset: '1099511627775',
  timestamp: '1700000000123',
  attributes: 0,
  key: null,
  value: null,
  headers,
})

describe('records of kafkajs messages', () => {
  it('have numbers for offsets and timestamps', () => {
    expect(recordsOf([message({})])).toEqual([
      { position: 1_099_511_627_775, timestamp: 1_700_000_000_123, key: null, value: null, headers: {} },
    ])
  })

  it('have the last value of a header that comes twice, and no header without a value', () => {
    const [a, b] = [Buffer.from('a'), Buffer.from('b')]
    const [record] = recordsOf([message({ twice: [a, b], none: null as unknown as Buffer, once: a })])
    expect(record?.headers).toEqual({ twice: b, once: a })
  })

  it('keep a header named __proto__ as a header', () => {
    const [record] = recordsOf([message({ ['__proto__']: Buffer.from('x') })])
    expect(Object.keys(record?.headers ?? {})).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(record?.headers)).toBe(Object.prototype)
  })
})
