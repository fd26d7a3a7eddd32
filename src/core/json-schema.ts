/** JSON Schema of settings, for editors and pages: draft 7, which every editor knows. */
import { z } from 'zod'

export const DRAFT = 'http://json-schema.org/draft-07/schema#'

export interface JsonSchema {
  readonly [key: string]: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
}

/** What a person may write. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    // the default of what is transformed is said in its transformed form, so zod leaves it out here
    override: ({ zodSchema: { _zod }, jsonSchema }) => {
      if (_zod.def.type === 'default') jsonSchema.default ??= (_zod.def as { defaultValue?: unknown }).defaultValue
    },
  })
  return json as JsonSchema
}

/** One object with the keys of all; other keys are refused. */
export function merged(...schemas: readonly JsonSchema[]): JsonSchema {
  return {
    type: 'object',
    properties: Object.assign({}, ...schemas.map(({ properties }) => properties)),
    required: [...new Set(schemas.flatMap(({ required = [] }) => required))],
    additionalProperties: false,
  }
}
