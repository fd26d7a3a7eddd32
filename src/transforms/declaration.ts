/** A topology of kind `transform` as it is written, checked as far as that goes without schemas. */
import { z } from 'zod'
import { oneOrMore, topicName } from '../core/config.ts'
import { addIssues, describe } from '../core/issues.ts'
import { isMapping } from '../core/mapping.ts'
import { type Declared, FORMATS, type Format, headShape, type Topology, topologyName } from '../core/topology.ts'
import { expression, lets } from '../core/written.ts'
import type { Path, YamlFile } from '../core/yaml.ts'

const tableName = z.string().regex(/^[a-z_]\w{0,62}$/, 'a name of letters, digits and _, beginning with a small letter')
const fieldName = z.string().regex(/^[A-Za-z_]\w{0,254}$/, 'a name of letters, digits and _')

const table = z.strictObject({
  topic: topicName.describe('The compacted topic; its newest record of a key is what a lookup finds.'),
  key: expression.describe('Expression: the key to look up. Null finds nothing.'),
})

const route = z.strictObject({
  topic: topicName.describe('Topic to append to; made when it does not exist.'),
  when: expression.optional().describe('Expression: which records go there; all when left out.'),
  format: z
    .enum(FORMATS)
    .default('avro')
    .describe(
      'avro: Confluent wire format, its schema registered. json: plain JSON of the same schema, for readers outside: topologies read Avro.',
    ),
})

const destination = z.union(
  [topicName.transform((topic) => ({ topic, when: undefined, format: 'avro' as Format })), route],
  'a topic, or { topic: name, when: expression }',
)

/** The keys of a topology of this kind. */
export const transformShape = z.strictObject({
  topology: topologyName.describe('Name of the topology: of its tasks, their state, and of every record it writes.'),
  kind: z.literal('transform').describe('Makes records of records, one by one.'),
  from: oneOrMore(topicName, 'a topic or a list of topics').describe('Source topics.'),
  where: expression.optional().describe('Events to take; all when left out.'),
  flatten: expression
    .optional()
    .describe(
      'Expression: a list of which each element, named `item`, makes a record; otherwise each event makes one.',
    ),
  tables: z
    .record(tableName, table)
    .default({})
    .describe(
      'Compacted topics to look values up in, by the name that expressions call what was found; null when nothing was.',
    ),
  let: lets.optional().describe('Names for expressions; each may use those before it.'),
  keep: z
    .union([z.literal('all'), z.array(fieldName).min(1)], 'all, or a list of fields')
    .optional()
    .describe(
      'Fields of the event that the new record has too. All when neither `keep` nor `map` is there, none beside a `map`.',
    ),
  map: z
    .record(fieldName, expression)
    .default({})
    .describe('Further fields of the new record, by name: an expression each.'),
  use: z
    .union([z.string(), z.record(z.string(), z.unknown())], 'a path such as ./parts/clean.ts, or { path: settings }')
    .optional()
    .describe('A part of your own that makes the new record, in the place of `keep` and `map`.'),
  key: expression
    .optional()
    .describe("Expression: the key of the new record, a text or a whole number; the event's own when left out."),
  to: z
    .union([destination.transform((one) => [one]), z.array(destination).min(1)], 'a topic, or a list of topics')
    .describe('Where records go: to every topic whose `when` takes them.'),
  ...headShape,
})

export type Declaration = z.output<typeof transformShape>

/** Undefined when it is not a declaration at all. Whatever is wrong is among `yaml.problems`. */
export function readDeclaration(yaml: YamlFile): Declaration | undefined {
  if (!isMapping(yaml.value)) {
    const expected = 'a mapping with topology, kind, from and to'
    yaml.add([], { code: 'bad-value', message: `the file is ${describe(yaml.value)}`, expected })
    return undefined
  }
  const parsed = transformShape.safeParse(yaml.value)
  if (!parsed.success) {
    addIssues(yaml, [], parsed.error.issues, transformShape)
    return undefined
  }
  const { from, to } = parsed.data
  for (const [i, name] of from.entries())
    if (from.indexOf(name) < i)
      yaml.add(placeOf(yaml, 'from', i), { code: 'duplicate-name', message: `topic '${name}' stands twice` })
  for (const [i, { topic }] of to.entries())
    if (from.includes(topic)) {
      const message = `topic '${topic}' is read here: it would be fed its own records for ever`
      yaml.add(placeOf(yaml, 'to', i), { code: 'bad-value', message, expected: 'another topic' })
    }
  const { use, keep, map } = parsed.data
  if (use !== undefined && (keep !== undefined || Object.keys(map).length > 0)) {
    const message = "'keep' and 'map' have no place beside a part of your own, which makes the whole record"
    yaml.add(['use'], { code: 'bad-value', message, expected: 'use alone' }, 'key')
  }
  return yaml.problems.length > 0 ? undefined : parsed.data
}

/** Topics by where they are named. */
export function topicsOf(
  yaml: YamlFile,
  { from, tables, to }: Declaration,
): Pick<Declared<Topology>, 'reads' | 'writes'> {
  return {
    reads: [
      ...from.map((name, i) => ({ name, at: placeOf(yaml, 'from', i) })),
      ...Object.entries(tables).map(([name, { topic }]) => ({ name: topic, at: ['tables', name, 'topic'] })),
    ],
    writes: to.map(({ topic, format }, i) => ({ name: topic, at: placeOf(yaml, 'to', i), format })),
  }
}

/** Where the n-th of what may stand alone stands. */
export function placeOf(yaml: YamlFile, key: 'from' | 'to', index: number): Path {
  return Array.isArray((yaml.value as Record<string, unknown>)[key]) ? [key, index] : [key]
}
