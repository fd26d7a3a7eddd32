/** Avro in Confluent wire format: 0, schema id as four big-endian bytes, Avro binary. */
export { type AvroDecoderOptions, avroDecoder } from './decoder.ts'
export { avroEncoder, registeredEncoder, topicEncoder } from './encoder.ts'
