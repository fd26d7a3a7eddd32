/** Avro in Confluent wire format: 0, schema id as four big-endian bytes, Avro binary. */
export type { Limits } from './cursor.ts'
export { type AvroDecoderOptions, avroDecoder, DEFAULT_LIMITS } from './decoder.ts'
export { type AvroEncoderOptions, avroEncoder } from './encoder.ts'
