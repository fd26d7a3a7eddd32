/** A topology of kind `features` as it is written, checked as far as that goes without schemas. */
import { z } from 'zod'
import { fieldPath, oneOrMore, topicName } from '../core/config.ts'
import { duration } from '../core/duration.ts'
import { addIssues, describe, keysAt, unknownKey } from '../core/issues.ts'
import { isMapping, type Mapping } from '../core/mapping.ts'
import type { FeatureValue, Operator } from '../core/model.ts'
import { meantPath, type OwnPart } from '../core/own-part.ts'
import { nearest } from '../core/suggest.ts'
import { headShape, topologyName } from '../core/topology.ts'
import { expression, lets, type Written } from '../core/written.ts'
import type { Path, YamlFile } from '../core/yaml.ts'
import type { FeatureParts, LoadedAggregation, SinkPart } from './parts.ts'
import { type RatioDeclaration, readRatio } from './ratio.ts'

const featureName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, 'a name of a-z, 0-9 and _, beginning with a letter, at most 63 long')

/** The keys of a topology. What a feature takes besides `featureShape` is its aggregation's. */
export const topologyShape = z.strictObject({
  topology: topologyName.describe('Name of the topology: of its state, its consumer tasks and its feature namespace.'),
  kind: z.literal('features').describe('Computes features of entities.'),
  from: oneOrMore(topicName, 'a topic or a list of topics').describe('Source topics.'),
  where: expression.optional().describe('Events to take; all when left out.'),
  entity: topologyName.describe('What the features are of, as the API calls it: store, courier.'),
  let: lets.optional().describe('Names for expressions; each may use those before it.'),
  by: oneOrMore(fieldPath, 'a field or a list of fields').describe(
    'Fields that name the entity, on every source topic, or names of `let`. Of several, an id has the values joined by `:`.',
  ),
  features: z.record(featureName, z.record(z.string(), z.unknown())).describe('Features by name.'),
  to: z
    .array(z.union([z.string(), z.record(z.string(), z.unknown())], 'a sink such as store, or { topic: name }'))
    .min(1)
    .default(['store'])
    .describe('Where results go.'),
  emit: z
    .enum(['coalesced', 'each'])
    .default('coalesced')
    .describe(
      'coalesced: of several events of an entity in one step, the value after the last is said. each: a result after every event, for topics; costs the more.',
    ),
  forgetAfter: duration
    .optional()
    .describe(
      'How long after its newest event an entity is forgotten of which nothing is remembered; 1d when left out.',
    ),
  ...headShape,
})

export interface Declaration extends Omit<z.output<typeof topologyShape>, 'features' | 'to'> {
  /** Those that remember something. */
  readonly features: readonly FeatureDeclaration[]
  readonly ratios: readonly RatioDeclaration[]
  readonly to: readonly Output[]
  /** Parts of one's own that it names. */
  readonly own: readonly OwnPart[]
}

/** A sink by the name of its part, and its settings. */
export interface Output {
  readonly kind: string
  readonly settings: unknown
  readonly part: SinkPart
  /** The topic that its settings name, where they do. */
  readonly topic: string | undefined
}

export interface FeatureDeclaration {
  readonly name: string
  readonly by: string
  readonly aggregation: LoadedAggregation
  readonly config: unknown
  readonly as: string
  readonly settings: unknown
  readonly operator: Operator
  readonly default: FeatureValue | undefined
  readonly description: string | undefined
  /** As written, by key: `when`, `of` and the aggregation's own. */
  readonly expressions: Readonly<Record<string, Written>>
}

/** Reads one file; undefined when it is not a declaration at all. Whatever is wrong is among `yaml.problems`. */
export function readDeclaration(yaml: YamlFile, parts: FeatureParts): Declaration | undefined {
  if (!isMapping(yaml.value)) {
    const expected = 'a mapping with topology, kind, from, entity, by and features'
    yaml.add([], { code: 'bad-value', message: `the file is ${describe(yaml.value)}`, expected })
    return undefined
  }
  const parsed = topologyShape.safeParse(yaml.value)
  if (!parsed.success) addIssues(yaml, [], parsed.error.issues, topologyShape)
  const written = (yaml.value as { features?: unknown }).features
  const entries = Object.entries(isMapping(written) ? written : {})
  const features = entries.flatMap(([feature, value]) =>
    isMapping(value) && !('ratio' in value) ? (readFeature(yaml, feature, value, parts) ?? []) : [],
  )
  const ratios = entries.flatMap(([feature, value]) =>
    isMapping(value) && 'ratio' in value ? (readRatio(yaml, feature, value) ?? []) : [],
  )
  if (!parsed.success) return undefined
  if (Object.keys(parsed.data.features).length === 0)
    yaml.add(['features'], { code: 'missing-key', message: 'there are no features', expected: 'at least one' })
  return {
    ...parsed.data,
    features,
    ratios,
    to: parsed.data.to.flatMap((sink, i) => readOutput(yaml, i, sink, parts) ?? []),
    own: parts.own,
  }
}

/** The keys that every feature may have. */
export const featureShape = z.object({
  as: z.unknown().meta({
    anyOf: [{ type: 'string' }, { type: 'object' }],
    description: 'Operator: how the values become one. Its name, or a mapping with its settings: { percentile: 95 }.',
  }),
  of: expression
    .optional()
    .describe('Expression: the number or text taken of each event. An event where it is null is left out.'),
  when: expression.optional().describe('Expression: which events count; all that `where` takes when left out.'),
  default: z
    .union([z.number(), z.string(), z.array(z.number()), z.array(z.string())], 'a value of the type of the feature')
    .optional()
    .describe('Value over no events, for operators that have none of their own (null).'),
  description: z.string().optional().describe("For people; shown by the API and in the output topic's schema."),
})

function readFeature(
  yaml: YamlFile,
  feature: string,
  value: Mapping,
  parts: FeatureParts,
): FeatureDeclaration | undefined {
  const at = ['features', feature]
  const by = chooseAggregation(yaml, at, value, parts)
  const aggregation = by === undefined ? undefined : parts.aggregations.get(by)
  if (by === undefined || !aggregation) return undefined
  const settings = aggregation.part.config
  const own = z.object(
    Object.fromEntries(Object.keys(aggregation.aggregation.expressions).map((key) => [key, expression])),
  )
  refuseOthers(yaml, at, value, [by, ...[featureShape, own, settings].flatMap((schema) => keysAt(schema, []))])

  const shared = parse(yaml, at, value, featureShape)
  const expressions = parse(yaml, at, value, own)
  const config = parse(yaml, at, value, settings)
  const chosen = chooseOperator(yaml, at, value.as, parts)
  if (!shared || !expressions || !config || !chosen) return undefined
  const { as, operator } = chosen
  const { of, when, default: fallback, description } = shared.data
  const measures = aggregation.aggregation.measures?.(config.data) ?? false
  if (measures && of !== undefined) {
    const message = `'${by}' gives values of its own here`
    yaml.add([...at, 'of'], { code: 'bad-value', message, expected: "no 'of'" }, 'key')
  }
  checkUse(yaml, at, as, operator, of ?? (measures ? 'its own' : undefined), fallback)
  checkMemory(yaml, at, by, aggregation, chosen, parts)
  return {
    name: feature,
    by,
    aggregation,
    config: config.data,
    ...chosen,
    default: fallback,
    description,
    expressions: { ...(of === undefined ? {} : { of }), ...(when === undefined ? {} : { when }), ...expressions.data },
  }
}

function chooseAggregation(yaml: YamlFile, at: Path, value: Mapping, parts: FeatureParts): string | undefined {
  const names = [...parts.aggregations.keys()]
  const chosen = Object.keys(value).filter((key) => names.includes(key))
  if (chosen.length === 1) return chosen[0]
  const expected = `one of ${names.join(', ')}`
  const name = at.at(-1)
  if (chosen.length > 1) {
    const message = `feature '${name}' is both ${chosen.join(' and ')}`
    yaml.add([...at, chosen[1] as string], { code: 'bad-value', message, expected }, 'key')
    return undefined
  }
  const message = `feature '${name}' does not say which events it remembers`
  const suggestion = Object.keys(value).flatMap((key) => nearest(key, names) ?? [])[0]
  yaml.add(at, { code: 'missing-key', message, expected, suggestion }, 'key')
  return undefined
}

/** What operators are called elsewhere. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['avg', 'mean'],
  ['average', 'mean'],
  ['std', 'stddev'],
  ['stdev', 'stddev'],
  ['var', 'variance'],
  ['cnt', 'count'],
  ...['median', 'quantile', 'p50', 'p90', 'p95', 'p99'].map((name) => [name, 'percentile'] as const),
  ...['unique', 'nunique', 'count_distinct', 'cardinality'].map((name) => [name, 'distinct'] as const),
  ...['topk', 'top_k', 'mode'].map((name) => [name, 'top'] as const),
  ['ema', 'ewma'],
  ['latest', 'last'],
  ['earliest', 'first'],
])

type Chosen = Pick<FeatureDeclaration, 'as' | 'settings' | 'operator'>

/** `mean`, or `{ percentile: 95 }`: the key that names the operator is one of its settings. */
function chooseOperator(yaml: YamlFile, feature: Path, written: unknown, parts: FeatureParts): Chosen | undefined {
  const at = [...feature, 'as']
  const names = [...parts.operators.keys()]
  const expected = `one of ${names.join(', ')}`
  if (written === undefined) {
    yaml.add(at, { code: 'missing-key', message: "'as' is missing", expected }, 'key')
    return undefined
  }
  const keys = isMapping(written) ? Object.keys(written) : []
  const as = isMapping(written) ? (keys.find((key) => names.includes(key)) ?? keys[0]) : written
  const operator = typeof as === 'string' ? parts.operators.get(as) : undefined
  if (typeof as !== 'string' || !operator) {
    const meant = ALIASES.get(String(as).toLowerCase())
    const suggestion =
      meantPath(String(as)) ?? (meant !== undefined && names.includes(meant) ? meant : nearest(String(as), names))
    yaml.add(at, { code: 'unknown-part', message: `no operator ${describe(as)}`, expected, suggestion })
    return undefined
  }
  const { config } = operator.part
  if (isMapping(written) && !keysAt(config, []).includes(as)) {
    yaml.add(at, { code: 'bad-value', message: `${as} takes no settings`, expected: `as: ${as}` })
    return undefined
  }
  const parsed = config.safeParse(isMapping(written) ? written : {})
  if (parsed.success)
    return { as: operator.own?.name ?? as, settings: parsed.data, operator: operator.with(parsed.data) }
  if (isMapping(written) || operator.own) addIssues(yaml, at, parsed.error.issues, config)
  else {
    const expected = `a mapping as in ${operator.part.example}`
    yaml.add(at, { code: 'missing-key', message: `${as} needs settings`, expected })
  }
  return undefined
}

/** Does the operator make sense over what the aggregation remembers? */
function checkMemory(
  yaml: YamlFile,
  at: Path,
  by: string,
  { aggregation }: LoadedAggregation,
  { as, operator: { over } }: Chosen,
  parts: FeatureParts,
): void {
  if (!over || over.memories.includes(aggregation.memory)) return
  const others = [...parts.aggregations].filter(([, other]) => over.memories.includes(other.aggregation.memory))
  const message = `${as} makes no sense over '${by}': ${over.because}`
  const expected = `one of ${others.map(([name]) => name).join(', ')}`
  yaml.add([...at, 'as'], { code: 'bad-value', message, expected })
}

function refuseOthers(yaml: YamlFile, at: Path, value: Mapping, known: readonly string[]): void {
  const keys = [...new Set(known)]
  for (const key of Object.keys(value)) if (!keys.includes(key)) yaml.add([...at, key], unknownKey(key, keys), 'key')
}

/** Parses the keys that the schema knows. */
function parse<T>(yaml: YamlFile, at: Path, value: Mapping, schema: z.ZodType<T>): { readonly data: T } | undefined {
  const keys = keysAt(schema, [])
  const piece = Object.fromEntries(Object.entries(value).filter(([key]) => keys.includes(key)))
  const parsed = schema.safeParse(piece)
  if (parsed.success) return parsed
  addIssues(yaml, at, parsed.error.issues, schema)
  return undefined
}

function checkUse(
  yaml: YamlFile,
  at: Path,
  as: string,
  operator: Operator,
  of: Written | undefined,
  fallback: FeatureValue | undefined,
): void {
  if (operator.of === 'required' && of === undefined)
    yaml.add(
      at,
      { code: 'missing-key', message: `'of' is missing`, expected: `of: the field that ${as} is taken of` },
      'key',
    )
  if (fallback === undefined) return
  const place = [...at, 'default']
  if (operator.empty !== null) {
    const message = `${as} over nothing is ${operator.empty}, so a default is never used`
    yaml.add(place, { code: 'bad-value', message, expected: 'no default' }, 'key')
  }
}

/** `store`, or `{ topic: name }`: the key that names the part is one of its settings. */
function readOutput(yaml: YamlFile, index: number, written: string | Mapping, parts: FeatureParts): Output | undefined {
  const at = ['to', index]
  const names = [...parts.sinks.keys()]
  const kind =
    typeof written === 'string'
      ? written
      : (Object.keys(written).find((key) => names.includes(key)) ?? Object.keys(written)[0])
  const part = parts.sinks.get(kind ?? '')
  if (kind === undefined || !part) {
    const fault = {
      code: 'unknown-part',
      message: `no sink '${kind ?? ''}'`,
      expected: `one of ${names.join(', ')}`,
    } as const
    yaml.add(at, { ...fault, suggestion: meantPath(kind ?? '') ?? nearest(kind ?? '', names) })
    return undefined
  }
  const settings = typeof written === 'string' ? {} : written
  const parsed = part.config.safeParse(settings)
  if (parsed.success) return { kind, settings: parsed.data, part, topic: topicIn(parsed.data) }
  addIssues(yaml, at, parsed.error.issues, part.config)
  return undefined
}

function topicIn(settings: unknown): string | undefined {
  return isMapping(settings) && typeof settings.topic === 'string' ? settings.topic : undefined
}
