/** Aggregations, operators and sinks of one's own, taken up beside those that come with Millrace. */
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { atOnce } from '../core/guard.ts'
import { isMapping } from '../core/mapping.ts'
import type { Aggregation, FeatureSpec, Operator, Slot } from '../core/model.ts'
import { isOwnPart, loadOwnPart, type OwnPart, OwnPartFault, requireAnswers } from '../core/own-part.ts'
import { asked, configured, type Mention, namedBy } from '../core/own-use.ts'
import { NOWHERE } from '../core/part.ts'
import type { YamlFile } from '../core/yaml.ts'
import {
  type FeatureParts,
  type LoadedAggregation,
  type LoadedOperator,
  loadedOperator,
  type OperatorPart,
  type SinkPart,
} from './parts.ts'

/** With all parts that the file names by their paths. Undefined when one cannot be used; the problems are then the file's. */
export async function withOwnParts(
  parts: FeatureParts,
  yaml: YamlFile,
  directory: string,
): Promise<FeatureParts | undefined> {
  const mentions = mentionsIn(yaml.value)
  if (mentions.aggregations.length + mentions.operators.length + mentions.sinks.length === 0) return parts
  const aggregations = await loadAll(yaml, directory, mentions.aggregations, ownAggregation)
  const operators = await loadAll(yaml, directory, mentions.operators, ownOperator)
  const sinks = await loadAll(yaml, directory, mentions.sinks, ownSink)
  if (!aggregations || !operators || !sinks) return undefined
  const loaded = [...aggregations.values(), ...operators.values(), ...sinks.values()]
  return {
    aggregations: new Map([...parts.aggregations, ...aggregations]),
    operators: new Map([...parts.operators, ...operators]),
    sinks: new Map([...parts.sinks, ...sinks]),
    own: loaded.flatMap(({ own }) => own ?? []),
  }
}

function mentionsIn(value: unknown): Record<'aggregations' | 'operators' | 'sinks', Mention[]> {
  const { features, to } = (value ?? {}) as { readonly features?: unknown; readonly to?: unknown }
  const found = { aggregations: [] as Mention[], operators: [] as Mention[], sinks: [] as Mention[] }
  for (const [name, feature] of isMapping(features) ? Object.entries(features) : []) {
    if (!isMapping(feature)) continue
    for (const key of Object.keys(feature))
      if (isOwnPart(key)) found.aggregations.push({ path: key, at: ['features', name, key], where: 'key' })
    found.operators.push(...namedBy(feature.as, ['features', name, 'as']))
  }
  for (const [i, sink] of Array.isArray(to) ? to.entries() : []) found.sinks.push(...namedBy(sink, ['to', i]))
  return found
}

async function loadAll<T>(
  yaml: YamlFile,
  directory: string,
  mentions: readonly Mention[],
  take: (own: OwnPart) => T,
): Promise<Map<string, T> | undefined> {
  const loaded = new Map<string, T>()
  let right = true
  for (const { path, at, where } of mentions) {
    if (loaded.has(path)) continue
    try {
      loaded.set(path, take(await loadOwnPart(directory, path)))
    } catch (error) {
      if (!(error instanceof OwnPartFault)) throw error
      const { message, expected, suggestion } = error
      yaml.add(at, { code: 'bad-part', message, expected, suggestion }, where)
      right = false
    }
  }
  return right ? loaded : undefined
}

const OPERATOR = ['create', 'add', 'merge', 'result', 'encode', 'decode']
const AN_OPERATOR = `an Operator: of, takes, type, empty, ${OPERATOR.join(', ')}`

function ownOperator(own: OwnPart): LoadedOperator {
  const part = own.part as OperatorPart
  const open = (settings: unknown): Operator =>
    asked(own, 'open()', () => {
      const operator = part.open(settings, NOWHERE)
      requireAnswers(own.path, AN_OPERATOR, operator, OPERATOR)
      const prompt = answeringAtOnce(operator)
      checkOperator(own, prompt)
      return prompt
    })
  const config = configured(own, open)
  return { ...loadedOperator({ ...part, config, open }), own }
}

/** The operator, failing where a method gives a promise. */
function answeringAtOnce(operator: Operator): Operator {
  const methods: Partial<Operator> = {
    create: () => atOnce('create', operator.create()),
    add: (...given) => atOnce('add', operator.add(...given)),
    merge: (...given) => atOnce('merge', operator.merge(...given)),
    result: (...given) => atOnce('result', operator.result(...given)),
    encode: (...given) => atOnce('encode', operator.encode(...given)),
    decode: (from) => atOnce('decode', operator.decode(from)),
  }
  return Object.assign(Object.create(operator) as Operator, methods)
}

function checkOperator({ path }: OwnPart, operator: Operator): void {
  const fault = (name: keyof Operator, expected: string) =>
    new OwnPartFault(`'${name}' of what ${path} opens is ${JSON.stringify(operator[name])}`, expected)
  if (!['required', 'optional'].includes(operator.of)) throw fault('of', "of: 'required' or 'optional'")
  if (!['numbers', 'hashes', 'given'].includes(operator.takes)) throw fault('takes', "takes: 'numbers' or 'given'")
  if (!/^(list of )?(long|double|string)$|^(same|list)$/.test(operator.type)) throw fault('type', "type: 'double'")
  if (operator.empty !== 0 && operator.empty !== null) throw fault('empty', 'empty: 0 or null')
  const nothing = operator.result(operator.create(), Number.NaN)
  if (nothing !== operator.empty)
    throw new OwnPartFault(
      `${path} says ${JSON.stringify(nothing)} over no events, its 'empty' ${operator.empty}`,
      'result(create()) to be the same as empty',
    )
  const writer = new ByteWriter()
  operator.encode(operator.create(), writer)
  const reader = new ByteReader(writer.take())
  const back = operator.result(operator.decode(reader), Number.NaN)
  if (back !== operator.empty || reader.left > 0)
    throw new OwnPartFault(
      `${path} does not read back what it writes of no events`,
      'decode to read exactly what encode writes',
    )
}

function ownAggregation(own: OwnPart): LoadedAggregation {
  const opened = asked(own, 'open()', () => own.part.open(undefined, NOWHERE)) as Aggregation
  requireAnswers(own.path, 'an Aggregation: memory, expressions, slots', opened, ['slots'])
  if (!['span', 'newest', 'open', 'all'].includes(opened.memory))
    throw new OwnPartFault(`'memory' of ${own.path} is ${opened.memory}`, 'memory: span, newest, open or all')
  const expressions = opened.expressions ?? {}
  const slots = (features: readonly FeatureSpec[]) => asked(own, 'slots()', () => ownSlots(own, opened, features))
  const aggregation: Aggregation = {
    memory: opened.memory,
    expressions,
    slots,
    ...(opened.measures ? { measures: (config) => opened.measures?.(config) === true } : {}),
  }
  return { part: { ...own.part, config: configured(own), open: () => aggregation }, aggregation, own }
}

const SLOT = ['create', 'add', 'expire', 'nextExpiry', 'isEmpty', 'results', 'encode', 'decode']

/** Slots whose ids say whose they are, so that no other part's accumulator is ever taken for one of these. */
function ownSlots(own: OwnPart, opened: Aggregation, features: readonly FeatureSpec[]): readonly Slot[] {
  const slots = opened.slots(features)
  for (const slot of slots) requireAnswers(own.path, `a Slot: id, columns, features, ${SLOT.join(', ')}`, slot, SLOT)
  const answered = slots.flatMap((slot) => slot.features).sort()
  const asked = features.map(({ name }) => name).sort()
  if (answered.join() !== asked.join())
    throw new OwnPartFault(`the slots of ${own.path} answer ${answered.join(', ') || 'nothing'}`, asked.join(', '))
  return slots.map((slot) => ({
    id: `${own.name} ${slot.id}`,
    columns: slot.columns,
    features: slot.features,
    create: () => atOnce('create', slot.create()),
    add: (...given) => atOnce('add', slot.add(...given)),
    expire: (...given) => atOnce('expire', slot.expire(...given)),
    nextExpiry: (...given) => atOnce('nextExpiry', slot.nextExpiry(...given)),
    isEmpty: (acc) => atOnce('isEmpty', slot.isEmpty(acc)),
    results: (...given) => atOnce('results', slot.results(...given)),
    encode: (...given) => atOnce('encode', slot.encode(...given)),
    decode: (from) => atOnce('decode', slot.decode(from)),
    ...(slot.isLate ? { isLate: (...given) => slot.isLate?.(...given) === true } : {}),
    ...(slot.segments ? { segments: slot.segments } : {}),
  }))
}

function ownSink(own: OwnPart): SinkPart {
  return { ...(own.part as SinkPart), config: configured(own), own }
}
