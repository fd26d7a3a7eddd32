/** JSON Schema of a topology of kind `features`: as `declaration.ts` reads it, with all parts there are. */
import { z } from 'zod'
import { type JsonSchema, jsonSchemaOf, merged } from '../core/json-schema.ts'
import { expression } from '../core/written.ts'
import { featureShape, topologyShape } from './declaration.ts'
import { dimensionsShape } from './dimensions.ts'
import { type FeatureParts, loadFeatureParts } from './parts.ts'
import { ratioShape } from './ratio.ts'

/** Names of parts of one's own. */
const OWN_PATH = '^\\.{1,2}/.*\\.[cm]?[tj]s$'

export async function featuresSchema(): Promise<JsonSchema> {
  const parts = await loadFeatureParts()
  const alone = withParts(jsonSchemaOf(topologyShape), parts)
  const dimensions = jsonSchemaOf(dimensionsShape)
  const one = withParts(dimensions.additionalProperties as JsonSchema, parts)
  const isOwn = (key: string) => key === 'entity' || (one.properties?.[key] !== undefined && key !== 'description')
  const shared = Object.entries(alone.properties ?? {}).filter(([key]) => !isOwn(key))
  const many = {
    ...alone,
    properties: { ...Object.fromEntries(shared), dimensions: { ...dimensions, additionalProperties: one } },
    required: [...(alone.required ?? []).filter((key) => !isOwn(key)), 'dimensions'],
  }
  return { anyOf: [alone, many] }
}

/** With what features and outputs may be, where it has them. */
function withParts({ properties, ...rest }: JsonSchema, parts: FeatureParts): JsonSchema {
  return {
    ...rest,
    properties: {
      ...properties,
      features: { ...properties?.features, additionalProperties: { anyOf: featureSchemas(parts) } },
      to: { ...properties?.to, items: { anyOf: named(parts.sinks) } },
    },
  }
}

/** One for each aggregation: the key that names it decides which other keys there are. */
function featureSchemas(parts: FeatureParts): JsonSchema[] {
  const shared = jsonSchemaOf(featureShape)
  const as = {
    ...shared.properties?.as,
    anyOf: named(new Map([...parts.operators].map(([name, { part }]) => [name, part]))),
  }
  const every = { ...shared, properties: { ...shared.properties, as } }
  const ofParts = [...parts.aggregations].map(([name, { part, aggregation }]) => {
    const expressions = Object.keys(aggregation.expressions).map((key) => [key, expression])
    const own = merged(every, jsonSchemaOf(z.object(Object.fromEntries(expressions))), jsonSchemaOf(part.config))
    return { ...own, description: part.summary, required: [...new Set([name, 'as', ...(own.required ?? [])])] }
  })
  const hasOwnPart = { not: { propertyNames: { not: { pattern: OWN_PATH } } } }
  return [...ofParts, jsonSchemaOf(ratioShape), { type: 'object', ...hasOwnPart }]
}

/** A part by its name, by a mapping with its settings, or one of one's own. */
function named(
  parts: ReadonlyMap<string, { readonly summary: string; readonly config: z.ZodType }>,
): readonly JsonSchema[] {
  const names = [...parts].map(([name, { summary, config }]) => {
    const settings = jsonSchemaOf(config)
    const { [name]: itself } = settings.properties ?? {}
    const { required = [] } = settings
    const byName = required.length === 0 ? [{ const: name, description: summary }] : []
    return itself === undefined ? byName : [...byName, { ...settings, required: [...new Set([...required, name])] }]
  })
  const hasOwnPart = { not: { propertyNames: { not: { pattern: OWN_PATH } } } }
  return [...names.flat(), { type: 'string', pattern: OWN_PATH }, { type: 'object', ...hasOwnPart }]
}
