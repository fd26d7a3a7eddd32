/** Test cases of topologies as they are written: `topologies/*.test.yaml`. */
import { z } from 'zod'
import { topicName } from '../core/config.ts'
import { duration } from '../core/duration.ts'
import { ERRORS } from '../core/errors.ts'
import { addIssues, describe } from '../core/issues.ts'
import { DRAFT, type JsonSchema, jsonSchemaOf } from '../core/json-schema.ts'
import { isMapping } from '../core/mapping.ts'
import type { Millis } from '../core/model.ts'
import { topicType } from '../core/schema.ts'
import { nearest } from '../core/suggest.ts'
import type { Path, YamlFile } from '../core/yaml.ts'
import type { Project } from '../project/check.ts'
import type { AnyTopology } from '../project/kinds.ts'
import { DEFAULT_START } from './driver.ts'
import { type EventFault, prepareEvent } from './event.ts'
import { absoluteMoment, MOMENT_EXPECTED, momentOf } from './moment.ts'
import { isTolerance, toleranceFault } from './tolerance.ts'

const values = z.record(z.string(), z.unknown())

const moment = z
  .union([z.string(), z.number()])
  .refine((value) => momentOf(value, 0) !== undefined, {
    message: 'not a time',
    params: { code: 'bad-value', expected: MOMENT_EXPECTED },
  })
  .describe('An offset from the start of the case (`90s`, `+5m`, `-1h`), or an ISO 8601 time.')

const start = z
  .string()
  .refine((value) => absoluteMoment(value) !== undefined, {
    message: 'not a time',
    params: { code: 'bad-value', expected: 'a time such as 2026-01-31T12:00:00Z' },
  })
  .optional()
  .describe('Where the clock begins, and what offsets count from; 2026-01-01T00:00:00Z when left out.')

const event = z
  .object({
    at: moment
      .optional()
      .describe(
        'When it arrives, and its event time where the event says no other. Its event time, or now, when left out.',
      ),
    key: z.string().optional().describe('Key of the record, for topics that are looked up as tables.'),
  })
  .catchall(z.unknown().meta({ type: 'object' }))

const expectation = z.strictObject({
  features: z
    .record(z.string(), z.union([z.null(), values], 'features and their values, or null for an entity not known'))
    .optional()
    .describe(
      'Values by entity id. Only features that are named are compared; `null`: nothing is known of the entity.',
    ),
  outputs: z
    .record(topicName, z.array(z.union([z.null(), values], 'fields of a record, or null for one without a value')))
    .optional()
    .describe(
      'By topic: all records written to it since the case last asked for them, in order. Only fields that are named are compared.',
    ),
  deadLetters: z
    .array(
      z.strictObject({
        code: z.string().describe('An error code, such as time-in-future.'),
        reason: z.string().optional().describe('A part of the reason.'),
      }),
    )
    .optional()
    .describe(
      'All dead letters since the case last asked for them, in order. A case fails of those it does not ask for.',
    ),
})

const stepShape = {
  given: z
    .array(event)
    .optional()
    .describe('Events in the order in which they arrive: the topic as key, the fields as value.'),
  advance: duration.optional().describe('Moves the clock on, after the events.'),
  expect: expectation.optional().describe('What must be true then.'),
}
const step = z.strictObject(stepShape)

/** A file of test cases. */
export const casesShape = z.strictObject({
  topology: z.string().describe('The topology under test.'),
  start,
  cases: z
    .array(
      z.strictObject({
        case: z.string().min(1).describe('What must be true, in plain words.'),
        start,
        ...stepShape,
        steps: z
          .array(step)
          .optional()
          .describe('Several rounds of events, waiting and expectations, one after the other.'),
      }),
    )
    .min(1),
})

/** JSON Schema of a file of test cases, for editors. */
export async function casesSchema(): Promise<JsonSchema> {
  return { $schema: DRAFT, title: 'Test cases of a topology of Millrace', ...jsonSchemaOf(casesShape) }
}

type Values = Readonly<Record<string, unknown>>
type Expectation = z.output<typeof expectation>

export interface GivenEvent {
  readonly topic: string
  readonly fields: Values
  readonly at: string | number | undefined
  readonly key: string | undefined
  readonly path: Path
}

export interface Step {
  readonly given: readonly GivenEvent[]
  readonly advance: Millis | undefined
  readonly expect: Expectation
  /** Of the step; expectations are below `expect` in it. */
  readonly path: Path
}

export interface TestCase {
  readonly name: string
  readonly file: YamlFile
  readonly path: Path
  readonly topology: AnyTopology
  readonly start: Millis
  readonly steps: readonly Step[]
}

/** The cases of a file; none when it is no file of cases at all. What is wrong is among `yaml.problems`. */
export function readCases(yaml: YamlFile, project: Pick<Project, 'topologies'>): TestCase[] {
  if (yaml.problems.length > 0) return []
  const parsed = casesShape.safeParse(yaml.value)
  if (!parsed.success) {
    if (isMapping(yaml.value)) addIssues(yaml, [], parsed.error.issues, casesShape)
    else {
      const expected = 'a mapping with topology and cases'
      yaml.add([], { code: 'bad-value', message: `the file is ${describe(yaml.value)}`, expected })
    }
    return []
  }
  const { topology: name, cases } = parsed.data
  const { topologies } = project
  const topology = topologies.find((each) => each.name === name)
  if (!topology) {
    const names = topologies.map((each) => each.name)
    const fault = {
      code: 'bad-value',
      message: `no topology '${name}'`,
      expected: `one of ${names.join(', ')}`,
    } as const
    yaml.add(['topology'], { ...fault, suggestion: nearest(name, names) })
    return []
  }
  const read = cases.map((each, i): TestCase => {
    const path = ['cases', i]
    const { given, advance, expect, steps } = each
    const own = given || advance !== undefined || expect ? [{ at: path, step: { given, advance, expect } }] : []
    const all = [...own, ...(steps ?? []).map((step, k) => ({ at: [...path, 'steps', k], step }))]
    if (!all.some(({ step }) => step.expect)) {
      const message = `the case '${each.case}' expects nothing`
      yaml.add([...path, 'case'], { code: 'missing-key', message, expected: 'expect: { features: … }' })
    }
    return {
      name: each.case,
      file: yaml,
      path,
      topology,
      start: absoluteMoment(each.start ?? parsed.data.start) ?? DEFAULT_START,
      steps: all.map(({ at, step }) => readStep(yaml, at, step, topology)),
    }
  })
  for (const each of read) checkEvents(yaml, each)
  return read
}

function readStep(yaml: YamlFile, path: Path, written: z.output<typeof step>, topology: AnyTopology): Step {
  const given = (written.given ?? []).flatMap(({ at, key, ...topics }, i) =>
    Object.entries(topics).map(([topic, fields]) => ({ topic, fields, at, key, path: [...path, 'given', i, topic] })),
  )
  for (const [i, event] of (written.given ?? []).entries())
    if (Object.keys(event).every((key) => key === 'at' || key === 'key'))
      yaml.add([...path, 'given', i], {
        code: 'missing-key',
        message: 'there is no event',
        expected: 'a topic and its fields',
      })
  const expect = written.expect ?? {}
  checkExpectation(yaml, [...path, 'expect'], expect, topology)
  const right = given.flatMap((event) => (isGiven(yaml, event, topology) ? event : []))
  return { given: right, advance: written.advance, expect, path }
}

/** An event of a topic that the topology reads, with a key where it is looked up by it. */
function isGiven(
  yaml: YamlFile,
  event: Omit<GivenEvent, 'fields'> & { readonly fields: unknown },
  { name, sources, tables }: AnyTopology,
): event is GivenEvent {
  const { topic, fields, key, path } = event
  const topics = [...sources, ...tables].map((each) => each.name)
  if (!topics.includes(topic)) {
    const expected = `one of ${topics.join(', ')}`
    const suggestion = nearest(topic, isMapping(fields) ? topics : ['at', 'key'])
    yaml.add(path, { code: 'unknown-topic', message: `${name} does not read '${topic}'`, expected, suggestion }, 'key')
    return false
  }
  if (!isMapping(fields)) {
    yaml.add(path, {
      code: 'bad-value',
      message: `${topic} is ${describe(fields)}`,
      expected: 'the fields of an event',
    })
    return false
  }
  if (
    key === undefined &&
    tables.some((table) => table.name === topic) &&
    !sources.some((source) => source.name === topic)
  ) {
    const message = `an event of ${topic} has no key, by which it would be looked up`
    yaml.add(path, { code: 'missing-key', message, expected: `key: … beside ${topic}` }, 'key')
  }
  return true
}

/** Says what is wrong with the events, as far as that can be told before they are sent. */
function checkEvents(yaml: YamlFile, { topology, start, steps }: TestCase): void {
  const flow = topology.kind === 'transform' ? topology.flow(new Map()) : topology.flow([])
  for (const { topic, fields, at, path } of steps.flatMap(({ given }) => given)) {
    const source = [...topology.sources, ...topology.tables].find(({ name }) => name === topic)
    const faults: EventFault[] = []
    if (source) prepareEvent(fields, { source, flow, start, now: start, at, id: 'event' }, faults)
    for (const { path: inner, fault } of faults)
      yaml.add([...path, ...inner], fault, fault.code === 'bad-value' ? undefined : 'key')
  }
}

function checkExpectation(yaml: YamlFile, path: Path, expect: Expectation, topology: AnyTopology): void {
  const features = topology.kind === 'features' ? topology.features.map(({ name }) => name) : []
  for (const [id, named] of Object.entries(expect.features ?? {}))
    for (const [name, value] of Object.entries(named ?? {})) {
      known(yaml, [...path, 'features', id, name], 'feature', name, features)
      checkTolerance(yaml, [...path, 'features', id, name], value)
    }
  const written = fieldsOfOutputs(topology)
  for (const [topic, records] of Object.entries(expect.outputs ?? {})) {
    known(yaml, [...path, 'outputs', topic], 'output topic', topic, [...written.keys()])
    for (const [i, record] of records.entries())
      for (const [name, value] of Object.entries(record ?? {})) {
        known(yaml, [...path, 'outputs', topic, i, name], 'field', name, written.get(topic) ?? [name])
        checkTolerance(yaml, [...path, 'outputs', topic, i, name], value)
      }
  }
  for (const [i, { code }] of (expect.deadLetters ?? []).entries())
    known(yaml, [...path, 'deadLetters', i, 'code'], 'error code', code, Object.keys(ERRORS), 'value')
}

function checkTolerance(yaml: YamlFile, path: Path, value: unknown): void {
  const fault = isTolerance(value) ? toleranceFault(value) : undefined
  if (fault) yaml.add(path, fault)
}

/** Names of the fields by output topic. */
function fieldsOfOutputs(topology: AnyTopology): ReadonlyMap<string, readonly string[]> {
  if (topology.kind === 'transform')
    return new Map(
      topology.writes.map(({ name, schema }) => [name, topicType(schema).fields.map((field) => field.name)]),
    )
  const fields = [...topology.keyFields, 'at', ...topology.features.map(({ name }) => name)]
  const topics = topology.outputs.flatMap(({ topic }) => topic ?? [])
  return new Map(topics.map((topic) => [topic, fields]))
}

function known(
  yaml: YamlFile,
  path: Path,
  what: string,
  name: string,
  names: readonly string[],
  where: 'key' | 'value' = 'key',
): void {
  if (names.includes(name)) return
  const expected = names.length > 0 ? `one of ${names.join(', ')}` : undefined
  yaml.add(
    path,
    { code: 'bad-value', message: `no ${what} '${name}'`, expected, suggestion: nearest(name, names) },
    where === 'key' ? where : undefined,
  )
}
