/** From a declaration to a flow: everything checked against the schemas, every expression a closure, every column shared. */
import type { Config } from '../core/config.ts'
import { RecordError } from '../core/errors.ts'
import { fingerprint } from '../core/fingerprint.ts'
import { describe } from '../core/issues.ts'
import { entityId, idFault } from '../core/key.ts'
import type {
  Event,
  FeatureFlow,
  FeatureSpec,
  FeatureType,
  FeatureValue,
  FlowSource,
  Millis,
  OwnCode,
  RowPlan,
  ScalarType,
  Sink,
} from '../core/model.ts'
import { OwnPartFault } from '../core/own-part.ts'
import { compileField, type SourceTopic } from '../core/topics.ts'
import { recordName, type Topology } from '../core/topology.ts'
import { isOfType, itemsOf } from '../core/values.ts'
import { type Compiled, canonicalOf, compileLets, compileWritten, type NamesOn, outermost } from '../core/written.ts'
import type { YamlFile } from '../core/yaml.ts'
import { columnOf, EXPECTS, fillOf, type TopologyColumn, valuesOf } from './columns.ts'
import type { Declaration, FeatureDeclaration, Output } from './declaration.ts'
import { checkRatio, type RatioDeclaration } from './ratio.ts'
import { featureReducer } from './reducer.ts'

export interface TopologyFeature {
  readonly name: string
  readonly type: FeatureType
  /** Its value where nothing is known of the entity. */
  readonly default: FeatureValue
  readonly as: string
  /** Name of the aggregation: `window`. */
  readonly aggregation: string
  readonly description: string | undefined
}

/** A topology of kind `features` that is right, and all that is said of it. */
export interface FeatureTopology extends Topology {
  readonly kind: 'features'
  readonly entity: string
  /** Field paths that name the entity, and the names of the key fields in outputs. */
  readonly by: readonly string[]
  readonly keyFields: readonly string[]
  readonly owner: Declaration['owner']
  readonly description: string | undefined
  readonly outputs: readonly Output[]
  readonly features: readonly TopologyFeature[]
  /** By feature, the identity of what is remembered for it: as long as it stays, so does the memory. A ratio has none. */
  readonly memory: Readonly<Record<string, string>>
  readonly flow: (sinks: readonly Sink[]) => FeatureFlow
}

/** Undefined when anything is wrong; the problems are then the file's. */
export function compileTopology(
  yaml: YamlFile,
  declaration: Declaration,
  config: Config,
  sources: readonly SourceTopic[],
  writtenAt: Millis,
): FeatureTopology | undefined {
  const before = yaml.problems.length
  const { own } = declaration
  const names = compileLets(yaml, declaration.let, sources)
  if (!names) return undefined
  const where =
    declaration.where === undefined
      ? undefined
      : compileWritten(yaml, ['where'], declaration.where, sources, 'bool', names)
  const key = compileKey(yaml, declaration, sources, names)
  const keyFields = declaration.by.map((path) => path.replaceAll('.', '_'))
  const columns = new Map<string, TopologyColumn>()
  const compiled = declaration.features.map((feature) => compileFeature(yaml, feature, sources, names, columns))
  for (const { name } of [...declaration.features, ...declaration.ratios])
    if (name === 'at' || keyFields.includes(name)) {
      const message = `'${name}' is a field of every result already`
      yaml.add(['features', name], { code: 'duplicate-name', message, expected: 'another name' }, 'key')
    }
  const described = compiled.flatMap((one) => one?.described ?? [])
  // a ratio of a feature that is wrong itself has no fault of its own
  const declared = Object.keys((yaml.value as { features: object }).features).length - declaration.ratios.length
  if (described.length === declared) for (const ratio of declaration.ratios) checkRatio(yaml, ratio, described)
  if (yaml.problems.length > before) return undefined

  const { topology: name, entity, by, from, tags, owner, description, to: outputs } = declaration
  const features = inOrder([...described, ...declaration.ratios.map(describeRatio)], yaml)
  const specs = compiled.flatMap((one) => one?.spec ?? [])
  const direct = readsDirectly(declaration, sources)
  const shuffle = direct === undefined ? config.engine.shufflePartitions : undefined
  const generation = fingerprint({
    sources: [...from].sort(),
    by: by.map((path, i) => (isLet(declaration, path) ? canonicalOf(key[i] as Compiled, sources) : path)),
    where: where && canonicalOf(where, sources),
    partitions: shuffle ?? direct,
    shuffled: shuffle !== undefined,
  })
  const topics = sources.map(({ name, time, id }) => [name, time?.canonical, id?.canonical])
  const code = own.length === 0 ? {} : { own: own.map(({ name, digest }) => [name, digest]) }
  const definition = fingerprint({ declared: yaml.value, topics, ...code })
  const declaredAt = Math.max(writtenAt, ...own.map(({ modified }) => modified))
  const flowSources = sources.map((source) => sourceOf(source, columns, key, where))
  const slots = slotsOf(yaml, declaration.features, specs)
  if (!slots) return undefined
  const featureNames = features.map((feature) => feature.name)
  const defaults = features.map((feature) => feature.default)
  const ratios = new Map(declaration.ratios.map((ratio) => [ratio.name, ratio.ratio]))
  return {
    kind: 'features',
    name,
    file: yaml.file,
    entity,
    by,
    keyFields,
    sources,
    tables: [],
    writes: [],
    tags,
    owner,
    description,
    outputs,
    features,
    memory: Object.fromEntries(slots.flatMap((slot) => slot.features.map((feature) => [feature, slot.id]))),
    generation,
    definition,
    declaredAt,
    flow: (sinks) => ({
      name,
      generation,
      definition,
      declaredAt,
      sources: flowSources,
      shuffle,
      direct,
      start: declaration.start ?? config.engine.start,
      reducer: featureReducer(slots, featureNames, defaults, declaration.forgetAfter, ratios) as FeatureFlow['reducer'],
      features: featureNames,
      emitsEach: declaration.emit === 'each',
      ...(computesItself(declaration) ? { own: ownCode(config) } : {}),
      sinks,
    }),
  }
}

const isLet = (declaration: Declaration, name: string): boolean => Object.hasOwn(declaration.let ?? {}, name)

function compileKey(
  yaml: YamlFile,
  declaration: Declaration,
  sources: readonly SourceTopic[],
  names: NamesOn,
): Compiled<'text'>[] {
  return declaration.by.map((path, i) => {
    const at = Array.isArray((yaml.value as { by: unknown }).by) ? ['by', i] : ['by']
    if (isLet(declaration, path)) return compileWritten(yaml, at, path, sources, 'text', names) ?? new Map()
    const compiled = sources.map((source) => [source.name, compileField(yaml, at, path, source.type, 'text')] as const)
    return new Map(compiled.flatMap(([topic, field]) => (field ? [[topic, field]] : [])))
  })
}

interface CompiledFeature {
  readonly spec: FeatureSpec
  readonly described: TopologyFeature
}

/** Compiles a feature's expressions and takes up their columns; undefined when anything is wrong. */
function compileFeature(
  yaml: YamlFile,
  feature: FeatureDeclaration,
  sources: readonly SourceTopic[],
  names: NamesOn,
  columns: Map<string, TopologyColumn>,
): CompiledFeature | undefined {
  const { name, config, as, settings, operator } = feature
  const at = ['features', name]
  const ids: Record<string, string> = {}
  let type: ScalarType = 'double'
  let values: FeatureSpec['values'] = 'number'
  const take = (key: string, column: TopologyColumn) => {
    columns.set(column.id, column)
    ids[key] = column.id
  }
  const kinds = { when: 'flag', ...feature.aggregation.aggregation.expressions } as const
  for (const [key, written] of Object.entries(feature.expressions)) {
    if (key === 'of') {
      const of = valuesOf(yaml, [...at, key], written, sources, operator.takes, names)
      if (!of) return undefined
      take(key, of.column)
      type = of.type
      values = of.column.kind === 'text' ? 'text' : 'number'
      continue
    }
    const kind = kinds[key as keyof typeof kinds]
    const compiled = compileWritten(yaml, [...at, key], written, sources, EXPECTS[kind], names)
    if (!compiled) return undefined
    take(key, columnOf(kind, compiled, sources))
  }
  const described = describeFeature(feature, type)
  if (feature.default !== undefined && !isOfType(feature.default, described.type)) {
    const place = [...at, 'default']
    const message = `${place.join('.')} is ${describe(feature.default)}`
    yaml.add(place, { code: 'bad-value', message, expected: `a value of type ${described.type}` })
    return undefined
  }
  return { spec: { name, config, columns: ids, values, as, settings, operator }, described }
}

/** Undefined when an aggregation of one's own gives none that will do. */
function slotsOf(yaml: YamlFile, features: readonly FeatureDeclaration[], specs: readonly FeatureSpec[]) {
  const kinds = new Map(features.map(({ by, aggregation }) => [by, aggregation.aggregation]))
  try {
    return [...kinds].flatMap(([by, aggregation]) => aggregation.slots(specs.filter((_, i) => features[i]?.by === by)))
  } catch (error) {
    if (!(error instanceof OwnPartFault)) throw error
    yaml.add(['features'], { code: 'bad-part', message: error.message, expected: error.expected })
    return undefined
  }
}

/** Does code of one's own take part in what is computed? A sink of one's own only gets the results. */
function computesItself({ own, to }: Declaration): boolean {
  return own.some((part) => !to.some((output) => output.part.own === part))
}

function ownCode({ ownParts }: Config): OwnCode {
  return { timeout: ownParts.timeout, stops: ownParts.failures === 'stop' }
}

/** `values`: type of the values of `of`. */
function describeFeature(feature: FeatureDeclaration, values: ScalarType): TopologyFeature {
  const { name, operator, as, by, description } = feature
  const type =
    operator.type === 'same' ? values : operator.type === 'list' ? (`list of ${values}` as const) : operator.type
  return { name, type, default: feature.default ?? operator.empty, as, aggregation: by, description }
}

function describeRatio({ name, ratio, default: fallback, description }: RatioDeclaration): TopologyFeature {
  return { name, type: 'double', default: fallback ?? null, as: 'ratio', aggregation: ratio.join(' to '), description }
}

/** In the order of the file. */
function inOrder(features: readonly TopologyFeature[], yaml: YamlFile): TopologyFeature[] {
  const order = Object.keys((yaml.value as { features: object }).features)
  return [...features].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
}

/** Partitions of the one source that is keyed by the dimension; undefined where rows must be shuffled. */
function readsDirectly({ by }: Declaration, sources: readonly SourceTopic[]): number | undefined {
  const [source] = sources
  if (sources.length !== 1 || !source) return undefined
  const { key, partitions } = source.config
  return key?.length === by.length && key.every((path, i) => path === by[i]) ? partitions : undefined
}

function sourceOf(
  { name, time, id, named }: SourceTopic,
  columns: ReadonlyMap<string, TopologyColumn>,
  key: readonly Compiled<'text'>[],
  where: Compiled<'bool'> | undefined,
): FlowSource {
  const parts = key.map((part) => part.get(name))
  const filter = where?.get(name)
  const used = [...columns.values()].map((column) => column.compiled.get(name))
  const read = [...parts, filter, time, id, ...used].flatMap((expression) => expression?.fields ?? [])
  const kept = [...columns.values()].filter(({ kind, keep }) => kind === 'text' && !keep)
  const plan: RowPlan = {
    columns: [...columns.values()].map((column) => ({ id: column.id, kind: column.kind, fill: fillOf(column, name) })),
    where: filter?.evaluate ?? (where ? () => false : () => true),
    key: keyOf(
      parts.flatMap((part) => (part ? [part.evaluate] : [])),
      kept.flatMap((column) => column.compiled.get(name)?.evaluate ?? []) as TextOf[],
    ),
    time: time?.evaluate,
    id: id?.evaluate,
  }
  return { topic: name, fields: outermost(read), plan, named }
}

type TextOf = (event: Event) => string | null

/** `kept`: texts that rows hold as they are, such as ids of a lifecycle. As long as any text may be, they would fill frames and state. */
function keyOf(parts: readonly TextOf[], kept: readonly TextOf[]): RowPlan['key'] {
  const [only] = parts
  const idOf = parts.length === 1 && only ? only : joined(parts)
  return (event) => {
    const id = idOf(event)
    if (id === null) return null
    refuseUnfit('the entity id', id)
    for (const textOf of kept) refuseUnfit('the id of a lifecycle', textOf(event) ?? '')
    return id
  }
}

function refuseUnfit(what: string, id: string): void {
  const fault = idFault(id)
  if (fault !== undefined) throw new RecordError('id-unfit', `${what} ${fault}`)
}

function joined(parts: readonly TextOf[]): TextOf {
  return (event) => {
    const values: string[] = []
    for (const part of parts) {
      const value = part(event)
      if (value === null) return null
      values.push(value)
    }
    return entityId(values)
  }
}

/** Avro schema of one result: the key's fields as texts, `at`, and every feature, null where it has no value. */
export function outputSchema(
  topology: Pick<FeatureTopology, 'name' | 'entity' | 'description' | 'keyFields' | 'features'>,
) {
  const { name, entity, description, keyFields, features } = topology
  return {
    type: 'record',
    name: recordName(name),
    namespace: 'millrace',
    doc: description ?? `Features of ${entity}, by ${name}.`,
    fields: [
      ...keyFields.map((field) => ({ name: field, type: 'string', doc: `Names the ${entity}.` })),
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, doc: 'The values hold as of this time.' },
      ...features.map((feature) => ({
        name: feature.name,
        type: ['null', avroOf(feature.type)],
        default: null,
        doc: feature.description ?? `${feature.as}, ${feature.aggregation}`,
      })),
    ],
  }
}

function avroOf(type: FeatureType) {
  const items = itemsOf(type)
  return items === undefined ? type : { type: 'array', items }
}
