import { RecordError } from '../../core/errors.ts'
import type { Encoder, Registry } from '../../core/model.ts'
import { topicType } from '../../core/schema.ts'
import type { Format } from '../../core/topology.ts'
import { jsonEncoder } from './json.ts'
import { Output } from './output.ts'
import { compileWrite, Misfit } from './write.ts'

export interface AvroEncoderOptions {
  /** Parsed JSON of the schema registered under `id`. */
  readonly schema: unknown
  readonly id: number
}

/**
 * Encodes records of one schema, from values as `core/schema.ts` says. A field that is absent gets its default, or
 * null; a field that the schema does not have is ignored. In a union, the first option that fits is written.
 * `encode` throws `value-unfit`, naming the field. Throws `SchemaError` when the schema is no record's.
 */
export function avroEncoder({ schema, id }: AvroEncoderOptions): Encoder {
  const write = compileWrite(topicType(schema))
  const output = new Output()
  return {
    encode(value) {
      output.rewind(0)
      output.header(id)
      try {
        write(value, output)
      } catch (error) {
        if (error instanceof Misfit) throw new RecordError('value-unfit', `${error.path}: ${error.found}`)
        throw error
      }
      return output.copy()
    },
  }
}

/** Values of a topic: Avro by the schema registered under the topic's subject, or JSON by the same schema, which nobody registers. */
export async function topicEncoder(
  registry: Registry,
  { name, schema, format }: { readonly name: string; readonly schema: unknown; readonly format: Format },
): Promise<Encoder> {
  return format === 'json' ? jsonEncoder(schema) : registeredEncoder(registry, `${name}-value`, schema)
}

/** Registers the schema, and encodes records of it. */
export async function registeredEncoder(registry: Registry, subject: string, schema: unknown): Promise<Encoder> {
  return avroEncoder({ schema, id: await registry.register(subject, schema) })
}
