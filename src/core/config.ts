/**
 * `millrace.yaml`: where things are. Every setting is optional; without a file everything is embedded, under `.millrace/`.
 * What topologies do is said in files of their own.
 */
import { z } from 'zod'
import { duration } from './duration.ts'
import { environmentIn, type Inserted } from './environment.ts'
import { http } from './http.ts'
import { addIssues, describe } from './issues.ts'
import { loadPart, type PartFolder, partNames } from './part.ts'
import { nearest } from './suggest.ts'
import type { Path, YamlFile } from './yaml.ts'

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name of a-z, 0-9 and -, beginning with a letter, at most 63 long')
export const topicName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,249}$/, "a topic's name: A-Z, a-z, 0-9, '.', '_' and '-', at most 249")
export const fieldPath = z.string().regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/, 'a field, such as storeId or store.id')
export const oneOrMore = <T extends z.ZodType>(one: T, expected: string) =>
  z.union([one.transform((value) => [value]), z.array(one).min(1)], expected)

export const start = z
  .union(
    [z.enum(['earliest', 'latest']), z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))],
    'earliest, latest or a time such as 2026-01-31T00:00:00Z',
  )
  .describe('Where a topology begins that has no position yet: earliest, latest, or an ISO time (record timestamps).')

const topic = z
  .strictObject({
    schema: z
      .string()
      .optional()
      .describe('Avro schema file, from the project directory; schemas/<topic>.avsc when left out.'),
    time: fieldPath
      .optional()
      .describe('Field with the event time (timestamp-millis); the record timestamp when left out.'),
    id: fieldPath.optional().describe('Field that names the event, for ties between events of one time.'),
    key: oneOrMore(fieldPath, 'a field or a list of fields')
      .optional()
      .describe('Fields that the topic is keyed by, when producers promise it; topologies by them read it directly.'),
    partitions: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('Partitions the topic has, or is made with; needed with `key`.'),
    retention: z
      .union([z.literal('forever').transform(() => -1), duration], 'a duration such as 7d, or forever')
      .optional()
      .describe('How long records are kept where Millrace makes the topic.'),
    named: z
      .boolean()
      .optional()
      .describe(
        'A transform of another project writes it: repeats, told by the header `millrace-id`, are dropped. Known of those of this project.',
      ),
  })
  .refine((topic) => topic.key === undefined || topic.partitions !== undefined, {
    path: ['key'],
    message: '`key` stands without `partitions`',
    params: { expected: 'partitions: the fixed number the topic has, since its keys are spread over it' },
  })

const positive = (most: number) => z.int().min(1).max(most)

const engine = z.strictObject({
  idle: duration.default(2_000).describe('A source read to its end counts as silent after this long.'),
  heartbeat: duration
    .default(1_000)
    .describe(
      'How often mappers say how far time has gone when there are no rows; less often in a worker where this would be over 2,000 frames a second.',
    ),
  skew: duration.default(300_000).describe('An event this far after its record timestamp goes to the dead letters.'),
  shufflePartitions: positive(1024)
    .default(8)
    .describe('Partitions of shuffle topics. Changing it rebuilds the topologies that shuffle.'),
  shuffleRetention: duration
    .default(7 * 86_400_000)
    .describe('How long frames are kept: longer than the oldest backup of the state.'),
  batch: z
    .strictObject({
      maxRecords: positive(1_000_000)
        .default(50_000)
        .describe('Records a task applies before it commits, when behind.'),
      linger: z
        .union([z.literal(0), duration])
        .default(10_000)
        .describe(
          'Longest time that a step waits for more rows while all it has comes from sources not yet read to their ends; 0 never waits.',
        ),
      maxKeys: positive(8_000).default(2_000).describe('Keys one commit may change, when behind.'),
    })
    .prefault({}),
  cacheKeys: positive(100_000_000)
    .default(200_000)
    .describe(
      'Most keys that a worker with all tasks of all topologies keeps in memory, a few kB each; one with some of the tasks keeps their share. Above half of it only those that are met again soon.',
    ),
  tableBytes: positive(2 ** 40)
    .default(256 * 1024 * 1024)
    .describe(
      'Bytes, as encoded, of the tables that a worker holds for transforms; in memory they are a few times as large.',
    ),
  start: start.default('earliest'),
  retry: z
    .strictObject({
      first: duration.default(100).describe('Pause before the first repetition after a failed service.'),
      most: duration.default(10_000).describe('Longest pause; each is twice the one before.'),
    })
    .prefault({}),
  deadLetters: z
    .strictObject({
      topic: topicName.optional().describe('<deployment>-dead-letters when left out.'),
      partitions: positive(1024).default(1).describe('Partitions it is made with.'),
    })
    .prefault({}),
})

const ownParts = z.strictObject({
  timeout: duration
    .default(1_000)
    .describe(
      'Longest time that code of your own may take for one event, or for one batch; nothing else runs meanwhile.',
    ),
  answer: duration.default(30_000).describe('Longest time until a sink of your own has to have answered a call.'),
  failures: z
    .enum(['dead-letters', 'stop'])
    .default('dead-letters')
    .describe(
      'What becomes of an event that code of your own fails on: it goes to the dead letters, or the task stops.',
    ),
})

/** Every setting but the sections that a part takes. */
export const base = z.strictObject({
  deployment: name.default('millrace').describe('Prefix of everything this deployment names in shared services.'),
  topics: z.record(topicName, topic).default({}).describe('What must be known of topics.'),
  engine: engine.prefault({}),
  http: http.prefault({}),
  ownParts: ownParts.prefault({}).describe('Limits of parts of your own, which a topology names by their paths.'),
  topologies: z
    .string()
    .min(1)
    .default('topologies')
    .describe('Folder of the topology files, from the project directory.'),
})

/** Sections that a part takes, the folder it is in, and the kind when nothing is said. */
export const PARTS = {
  transport: { folder: 'transports', kind: 'embedded' },
  registry: { folder: 'registries', kind: 'file' },
  state: { folder: 'state', kind: 'embedded' },
  store: { folder: 'stores', kind: 'embedded' },
} as const satisfies Record<string, { folder: PartFolder; kind: string }>
type Section = keyof typeof PARTS

/** A part that is chosen, and its settings as its own schema gave them. */
export interface PartChoice {
  readonly kind: string
  readonly settings: unknown
}

export type TopicConfig = z.output<typeof topic>
export type EngineConfig = z.output<typeof engine> & { readonly deadLetters: { readonly topic: string } }
export type Config = Omit<z.output<typeof base>, 'engine'> & { readonly engine: EngineConfig } & Readonly<
    Record<Section, PartChoice>
  >

/**
 * Validates a `millrace.yaml`; what is wrong is among `yaml.problems`. The answer is to be used only where there are none: otherwise
 * it has defaults in the place of what is wrong, so that what builds on it can be checked too. Texts may hold `${NAME}` of the
 * environment. An empty file is right.
 */
export async function readConfig(
  yaml: YamlFile,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Config> {
  let value = yaml.value ?? {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    yaml.add([], { code: 'bad-value', message: `the file is ${describe(value)}`, expected: 'a mapping of settings' })
    value = {}
  }
  const inserted = environmentIn(yaml, value, environment)
  const sections = { ...(inserted.value as Record<string, unknown>) }
  const parts = {} as Record<Section, PartChoice>
  for (const section of Object.keys(PARTS) as Section[]) {
    parts[section] = await choosePart(yaml, section, sections[section], inserted)
    delete sections[section]
  }
  const parsed = inserted.check(base, sections)
  for (const issue of parsed.error?.issues ?? [])
    if (!inserted.isMissing(issue.path as Path)) addIssues(yaml, [], [issue], SHOWN, isSecret(issue))
  const { engine, ...others } = parsed.success ? parsed.data : base.parse(rightPart(sections))
  const deadLetters = { ...engine.deadLetters, topic: engine.deadLetters.topic ?? `${others.deployment}-dead-letters` }
  return { ...others, ...parts, engine: { ...engine, deadLetters } }
}

/** The sections, and the topics, that are right by themselves; a wrong topic stays by its name. */
function rightPart(sections: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const right: Record<string, unknown> = {}
  for (const [key, schema] of Object.entries(base.shape))
    if (schema.safeParse(sections[key]).success) right[key] = sections[key]
  const { topics } = sections
  if (right.topics !== undefined || typeof topics !== 'object' || topics === null) return right
  const named = Object.entries(topics).filter(([name]) => topicName.safeParse(name).success)
  right.topics = Object.fromEntries(named.map(([name, one]) => [name, topic.safeParse(one).success ? one : {}]))
  return right
}

/** What stands there may be a secret. */
const isSecret = ({ path }: z.core.$ZodIssue) => path[0] === 'http' && path[1] === 'auth'

/** The keys as a person sees them, for suggestions. */
const SHOWN = base.extend({ transport: z.unknown(), registry: z.unknown(), state: z.unknown(), store: z.unknown() })

async function choosePart(
  yaml: YamlFile,
  section: Section,
  value: unknown,
  { check, isMissing }: Pick<Inserted, 'check' | 'isMissing'>,
): Promise<PartChoice> {
  const { folder, kind: usual } = PARTS[section]
  if (typeof (value ?? {}) !== 'object' || Array.isArray(value)) {
    const expected = `a mapping such as { kind: ${usual} }`
    // an address, perhaps with a password
    const secret = typeof value !== 'string' || !partNames(folder).includes(value)
    yaml.add([section], { code: 'bad-value', message: `${section} is ${describe(value, secret)}`, expected })
    return { kind: usual, settings: undefined }
  }
  const { kind = usual, ...settings } = (value ?? {}) as Record<string, unknown>
  const names = partNames(folder)
  if (typeof kind !== 'string' || !names.includes(kind)) {
    const fault = {
      code: 'unknown-part',
      message: `no ${section} of this kind`,
      expected: `one of ${names.join(', ')}`,
    } as const
    yaml.add([section, 'kind'], { ...fault, suggestion: nearest(kind, names) })
    return { kind: usual, settings: undefined }
  }
  const part = await loadPart<unknown, unknown>(folder, kind)
  const parsed = check(part.config, settings)
  if (parsed.success) return { kind, settings: parsed.data }
  const issues = parsed.error.issues.filter(({ path }) => !isMissing([section, ...(path as Path)]))
  addIssues(yaml, [section], issues, part.config, true)
  return { kind, settings: undefined }
}
