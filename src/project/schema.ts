/** JSON Schemas of the files of a project, for editors. `millrace check` says more: what fits the schemas of topics. */
import { base, PARTS } from '../core/config.ts'
import { DRAFT, type JsonSchema, jsonSchemaOf } from '../core/json-schema.ts'
import { loadPart, partNames } from '../core/part.ts'
import { featuresSchema } from '../features/schema.ts'
import { transformShape } from '../transforms/declaration.ts'

/** A file in the folder of the topologies. */
export async function topologySchema(): Promise<JsonSchema> {
  const kinds = { features: await featuresSchema(), transform: jsonSchemaOf(transformShape) }
  return {
    $schema: DRAFT,
    title: 'A topology of Millrace',
    type: 'object',
    properties: { kind: { enum: Object.keys(kinds), description: 'What the topology does.' } },
    required: ['topology', 'kind', 'from'],
    allOf: Object.entries(kinds).map(([kind, then]) => ({
      if: { properties: { kind: { const: kind } }, required: ['kind'] },
      then,
    })),
  }
}

/** `millrace.yaml`. */
export async function projectSchema(): Promise<JsonSchema> {
  const { properties, ...rest } = jsonSchemaOf(base)
  const sections = Object.entries(PARTS).map(async ([section, { folder, kind: usual }]) => {
    const parts = await Promise.all(
      partNames(folder).map(async (name) => {
        const { config, summary } = await loadPart<unknown, unknown>(folder, name)
        const settings = jsonSchemaOf(config)
        const required = [...(settings.required ?? []), ...(name === usual ? [] : ['kind'])]
        const kind = { const: name, description: summary }
        return { ...settings, properties: { kind, ...settings.properties }, required }
      }),
    )
    return [section, { anyOf: parts }] as const
  })
  return {
    $schema: DRAFT,
    title: 'millrace.yaml',
    ...rest,
    properties: { ...properties, ...Object.fromEntries(await Promise.all(sections)) },
  }
}
