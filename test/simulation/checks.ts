/** What must be true once a world has come to rest, whatever happened in it. */
import { partitionOf } from '../../src/core/key.ts'
import type { FeatureValue, InputRecord, Millis, TaskId } from '../../src/core/model.ts'
import { reduceTask, shuffleTopic } from '../../src/engine/names.ts'
import { NAME_HEADER } from '../../src/engine/repeats.ts'
import { tieOf as tieOfPlace } from '../../src/engine/rows.ts'
import { isNear, naiveResult } from '../../src/testing/oracle.ts'
import { CHAIN, naiveChain } from './chain.ts'
import { CLOSING, columnsOf, DECLARATIONS, FORGET_AFTER, type TestEvent, tieOf } from './features.ts'
import { DEAD, type Deployed, directOf, MADE, madeOf, namespaceOf, outputOf, readBy, shuffleOf } from './flows.ts'
import type { Options } from './options.ts'
import { isCounted, isFuture, isRefused, recordsOf, type Sent } from './producer.ts'
import { Violation, type World } from './world.ts'

/** A task that has nothing to do asks its sinks this often whether they went back. */
export const NOTICED_AFTER: Millis = 36_000

/** `isLast`: in the end, when tasks have had time to come again as far as they were before the state went back. */
export async function check(world: World, isLast = false): Promise<void> {
  const input = await world.producer.input()
  await checkMade(world)
  const letters = await deadLetters(world)
  checkDeadLetters(world, input, letters)
  for (const deployed of world.deployed) checkClocks(world, deployed, input)
  if (world.clock.monotonic() - world.unsaidAt < NOTICED_AFTER) return
  for (const deployed of world.deployed) await checkFeatures(world, deployed, input, letters, isLast)
}

// ---------------------------------------------------------------- what a transform appends

/** Each record once by name, and those of one source in its order. */
async function checkMade(world: World): Promise<void> {
  const { options, log, producer } = world
  if (options.shape !== 'transform') return
  const found = new Map<string, string>()
  for (let partition = 0; partition < log.partitions(MADE); partition++) {
    const highest = new Map<string, readonly [number, number]>()
    for (const record of await recordsOf(world, { topic: MADE, partition })) {
      const name = String(record.headers[NAME_HEADER])
      const value = withoutPrice(String(record.value))
      const before = found.get(name)
      if (before !== undefined && before !== value) throw new Violation('names', `${name} is of two records`)
      if (before !== undefined) continue
      found.set(name, value)
      const [source, position, index] = partsOf(name)
      const [highestPosition, highestIndex] = highest.get(source) ?? [-1, -1]
      if (position < highestPosition || (position === highestPosition && index <= highestIndex))
        throw new Violation('order', `${name} stands behind ${highestPosition}/${highestIndex}`)
      highest.set(source, [position, index])
    }
  }
  const wanted = producer.sent.flatMap(({ source, position, event }) =>
    event && event.fails !== 'make'
      ? madeOf(event, null).map((made, i) => [`split/${source}/${position}/${i}`, JSON.stringify(made)] as const)
      : [],
  )
  for (const [name, value] of wanted)
    if (found.get(name) !== value) throw new Violation('lost', `${name} should be ${value}, is ${found.get(name)}`)
  if (found.size !== wanted.length) throw new Violation('made up', `${found.size} records of ${wanted.length}`)
}

/** What was looked up may be another each time. */
function withoutPrice(made: string): string {
  const event = JSON.parse(made) as TestEvent
  return JSON.stringify({ ...event, value: event.value - (event.price ?? 0), price: null })
}

function partsOf(name: string): [string, number, number] {
  const [index, position, ...source] = name.split('/').reverse() as [string, string, ...string[]]
  return [source.reverse().join('/'), Number(position), Number(index)]
}

// ---------------------------------------------------------------- dead letters

async function deadLetters(world: World): Promise<Map<string, InputRecord>> {
  const found = new Map<string, InputRecord>()
  for (const record of await recordsOf(world, { topic: DEAD, partition: 0 })) {
    // what a sink refuses after a crash may be as of another time
    const more = codeOf(record) === 'sink-refused' ? ` ${record.value}` : ''
    const name = `${record.headers[NAME_HEADER]}${more}`
    const before = found.get(name)
    if (before && !sameLetter(before, record))
      throw new Violation('dead letters', `${name} is ${told(before)} and ${told(record)}`)
    found.set(name, record)
  }
  return found
}

const codeOf = ({ headers }: InputRecord) => String(headers['millrace-error-code'])
const told = (record: InputRecord) => `${codeOf(record)} ${record.headers['millrace-error-reason']} ${record.value}`
const topologyOf = ({ headers }: InputRecord) => String(headers['millrace-topology']).replace('split', 'load')
const sameLetter = (a: InputRecord, b: InputRecord) => told(a) === told(b)

function checkDeadLetters(world: World, input: readonly Sent[], letters: ReadonlyMap<string, InputRecord>): void {
  const { options, producer } = world
  const wanted = new Map<string, string>()
  if (options.shape === 'transform')
    for (const { event, source, position } of producer.sent) {
      if (event === undefined) wanted.set(`split/${source}/${position}`, 'record-malformed')
      if (event?.fails === 'make') wanted.set(`split/${source}/${position}`, 'part-failed')
    }
  for (const { name } of world.deployed)
    for (const one of input) {
      const { event, source, position } = one
      const code = event === undefined ? 'record-malformed' : isFuture(one) ? 'time-in-future' : undefined
      if (code !== undefined) wanted.set(`${name}/${source}/${position}`, code)
      else if (isRefused(one)) wanted.set(`${name}/${source}/part/${position}.0/${event?.key}`, 'part-failed')
    }
  for (const [name, code] of wanted) {
    const found = letters.get(name)
    if (!found || codeOf(found) !== code)
      throw new Violation('dead letters', `${name} should be ${code}, is ${found ? told(found) : 'not there'}`)
  }
  const late = new Set<string>()
  for (const letter of letters.values()) {
    if (codeOf(letter) !== 'late') continue
    const { key, time } = JSON.parse(String(letter.value)) as { key: string; time: number }
    const { 'millrace-topology': topology, 'millrace-source-position': position } = letter.headers
    late.add(`${topology} ${key} ${position} ${time}`)
  }
  const names = world.deployed.map(({ name }) => name)
  for (const row of world.late)
    if (!late.has(row) && names.some((name) => row.startsWith(`${name} `)))
      throw new Violation('dead letters', `${row} was late, and is lost`)
  for (const [name, letter] of letters)
    if (!wanted.has(name) && !isPossible(codeOf(letter), options) && names.includes(topologyOf(letter)))
      throw new Violation('dead letters', `${name} should not be there: ${told(letter)}`)
}

const isPossible = (code: string, { features, own }: Options): boolean =>
  (code === 'late' && features === 'closing') || (code === 'sink-refused' && own)

// ---------------------------------------------------------------- features

interface Wanted {
  readonly name: string
  readonly value: FeatureValue
  /** What readers take it for where it was never said. */
  readonly unsaid: FeatureValue
}

async function checkFeatures(
  world: World,
  deployed: Deployed,
  input: readonly Sent[],
  letters: ReadonlyMap<string, InputRecord>,
  isLast: boolean,
): Promise<void> {
  const { options, store } = world
  const wentBack = Number.isFinite(world.rolledBackAt)
  const { features, names, forgets } = DECLARATIONS[deployed.features]
  const counted = input.filter((one) => isCounted(one) && !isRefused(one))
  const clocks = new Map<TaskId, Millis>()
  for (const { id, clock } of statusesOf(world)) if (clock !== undefined) clocks.set(id, clock)
  const topics = readBy(options)
  const said = await saidIn(world, deployed)
  for (const [key, mine] of Map.groupBy(counted, ({ event }) => event?.key as string)) {
    const task = taskOf(options, deployed, key, mine[0] as Sent)
    const clock = clocks.get(task) ?? Number.NEGATIVE_INFINITY
    const newest = Math.max(...mine.map(({ event }) => event?.at as number))
    const at = Math.max(newest, clock)
    const events = mine.map(({ event, topic, partition, position, source }) => {
      const of = event as NonNullable<typeof event>
      return {
        time: of.at,
        tie: options.named ? tieOf(of) : tieOfPlace(topics.indexOf(topic), partition, position),
        values: columnsOf(of),
        isLate: letters.has(`${deployed.name}/${source}/late/${position}.0/${key}`),
      }
    })
    const [found] = await store.read(namespaceOf(deployed), [key])
    if (wentBack && !isLast && (found?.at ?? Number.POSITIVE_INFINITY) > at) continue
    const wanted: Wanted[] = features.map((feature) => {
      const seen = feature.name === CLOSING ? events.filter(({ isLate }) => !isLate) : events
      const { name } = feature
      // what is declared on the way is first said when something happens to the key
      const unsaid = deployed.certain.has(name) ? naiveResult(feature, [], at, clock) : null
      return { name, value: naiveResult(feature, seen, at, clock), unsaid }
    })
    if (names.includes(CHAIN))
      wanted.push({ name: CHAIN, value: naiveChain(mine.map(({ event }) => event as TestEvent)), unsaid: null })
    const isForgotten = forgets && newest <= clock - FORGET_AFTER
    const rule = `${deployed.name} ${key} at ${at} (said at ${found?.at})`
    if (isForgotten !== (found === undefined))
      throw new Violation('features', `${rule} is ${found ? 'there' : 'not there'}`)
    const since = world.definitions.since(task, deployed)
    const isRight = ({ name }: Wanted) => clock >= since + (deployed.certain.get(name) as Millis)
    const certain = wanted.filter((one) => !isForgotten && (!deployed.certain.has(one.name) || isRight(one)))
    const last = said.get(key)
    for (const { name, value, unsaid } of certain) {
      compare(`${rule} ${name}`, found?.values[name] ?? unsaid, value)
      compare(`topic of ${rule} ${name}`, last?.[name] ?? unsaid, value)
    }
    if (isForgotten && last) throw new Violation('features', `the topic of ${rule} is there`)
    if (options.own) checkOwn(world, deployed, key, rule, certain, letters)
  }
}

/** What a sink of one's own has, or, of what it never takes, what was kept. */
function checkOwn(
  { ownService }: World,
  deployed: Deployed,
  key: string,
  rule: string,
  wanted: readonly Wanted[],
  letters: ReadonlyMap<string, InputRecord>,
): void {
  const newest = ownService.of(namespaceOf(deployed), key)
  for (const { name, value, unsaid } of wanted)
    compare(`own sink of ${rule} ${name}`, newest?.emission.values?.[newest.features.indexOf(name)] ?? unsaid, value)
  if (!newest?.isRefused) return
  const said = `${key}@${newest.emission.cause} ${JSON.stringify(newest.emission)}`
  const isKept = [...letters.keys()].some((name) => name.startsWith(`${deployed.name}/`) && name.endsWith(`/${said}`))
  if (!isKept) throw new Violation('dead letters', `${said} of ${deployed.name} was refused, and is lost`)
}

function compare(what: string, found: FeatureValue, wanted: FeatureValue): void {
  if (!isNear(found, wanted, 1_000_000)) throw new Violation('features', `${what} is ${found} instead of ${wanted}`)
}

/** An alias never moves to what does not have all that had come when it was declared. */
export async function checkServed(world: World, namespace: string): Promise<void> {
  const { options, deployed, producer, state, store, violations } = world
  const served = deployed.find((one) => namespaceOf(one) === namespace)
  if (!served || options.shape === 'transform') return
  const came = producer.sent.slice(0, served.sentBefore)
  if (directOf(options, served.name) !== undefined && !options.rollback)
    for (const { partition, position } of came) {
      const stored = state.stored(reduceTask(served, partition))?.position
      // lost, which the owner, who has read it, does not know yet
      if (stored === undefined && options.lose) continue
      const has = stored ?? 0
      if (has > position) continue
      const what = `${namespace} serves, and has read ${partition} to ${has}: ${position} had come when it was declared`
      violations.push(new Violation('aliases', what))
    }
  if (options.unsay || DECLARATIONS[served.features].forgets) return
  const before = came.filter((one) => isCounted(one) && !isRefused(one))
  const keys = [...new Set(before.map(({ event }) => (event as TestEvent).key))]
  const found = await store.read(namespace, keys)
  for (const [i, key] of keys.entries())
    if (!found[i]) violations.push(new Violation('aliases', `${namespace} serves, and has nothing of ${key}`))
}

/** At the end the newest generation of each topology serves; answers what does instead. */
export async function misserved({ options, deployed, store }: World): Promise<string | undefined> {
  const { lose, rollback, retain } = options
  if (lose || rollback || retain) return undefined
  for (const one of deployed) {
    const served = await store.alias(one.name)
    if (served !== namespaceOf(one)) return `${served} serves instead of ${namespaceOf(one)}`
  }
  return undefined
}

/** No clock has passed what its sources can have reached. */
function checkClocks(world: World, deployed: Deployed, input: readonly Sent[]): void {
  const now = world.clock.now()
  const reached = Math.max(
    ...input.map((one) =>
      one.event && !isFuture(one) ? one.event.at + now - one.timestamp : Number.NEGATIVE_INFINITY,
    ),
  )
  for (const { id, clock } of statusesOf(world)) {
    if (clock === undefined || !id.startsWith(`reduce/${namespaceOf(deployed)}/`)) continue
    if (clock > reached + world.commits.ahead && !world.wasSet)
      throw new Violation('clocks', `${id} stands at ${clock}, behind ${reached}`)
  }
}

/** At the end, in silence: every clock has passed all that came. */
export async function checkProgress(world: World): Promise<void> {
  const input = await world.producer.input()
  for (const deployed of world.deployed) {
    const isDirect = directOf(world.options, deployed.name) !== undefined
    for (const { id, clock = Number.NEGATIVE_INFINITY } of statusesOf(world)) {
      if (!id.startsWith(`reduce/${namespaceOf(deployed)}/`)) continue
      const partition = Number(id.slice(id.lastIndexOf('/') + 1))
      const mine = input.filter((one) => one.event && !isFuture(one) && (!isDirect || one.partition === partition))
      const highest = Math.max(...mine.map(({ event }) => event?.at as number))
      if (clock < highest) throw new Violation('clocks', `${id} stands at ${clock}, before ${highest}`)
    }
  }
}

const statusesOf = ({ running }: World) => running.flatMap(({ worker }) => worker?.status() ?? [])

/** The task that has a key. */
function taskOf(options: Options, deployed: Deployed, key: string, { partition }: Sent): TaskId {
  const shuffle = shuffleOf(options, deployed.name)
  return reduceTask(deployed, shuffle === undefined ? partition : partitionOf(key, shuffle))
}

/** What a reader of the topic has, who keeps the highest version of each key. */
async function saidIn(world: World, deployed: Deployed): Promise<Map<string, Record<string, FeatureValue> | null>> {
  const newest = new Map<string, { version: readonly number[]; value: Record<string, FeatureValue> | null }>()
  for (const { key, value, headers } of await recordsOf(world, { topic: outputOf(deployed.name), partition: 0 })) {
    if (!String(headers[NAME_HEADER]).startsWith(`${namespaceOf(deployed)}/`)) continue
    const version = String(headers['millrace-version']).split('.').map(Number)
    const before = newest.get(String(key))
    if (before && older(version, before.version)) continue
    newest.set(String(key), { version, value: value === null ? null : JSON.parse(String(value)) })
  }
  return new Map([...newest].map(([key, { value }]) => [key, value]))
}

function older(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((part, i) => part !== b[i])
  return at >= 0 && (a[at] as number) < (b[at] as number)
}

// ---------------------------------------------------------------- rest

/** Where the logs end that tasks with state read: `<topic>/<partition>`. */
export function endsOf({ options, deployed, log }: World): Map<string, number> {
  const topics = deployed.map((one) => (directOf(options, one.name) === undefined ? shuffleOfOne(one) : MADE))
  const ends = new Map<string, number>()
  for (const topic of [...topics, ...readBy(options)])
    for (let partition = 0; partition < log.partitions(topic); partition++)
      ends.set(`${topic}/${partition}`, log.end({ topic, partition }))
  return ends
}

const shuffleOfOne = (one: Deployed): string => shuffleTopic('test', one)

/** What has not yet come to rest, with all that stood in the logs at `ends`; undefined when all has. */
export function unfinished(world: World, ends: ReadonlyMap<string, number>): string | undefined {
  const { state, options } = world
  const statuses = statusesOf(world)
  for (const { id, condition, reason, lag } of statuses)
    if (condition !== 'running' || lag > 0) return `${id} is ${condition}, ${lag} behind: ${reason}`
  for (const deployed of world.deployed) {
    const direct = directOf(options, deployed.name)
    const [topic] = direct === undefined ? [shuffleTopic('test', { ...deployed })] : readBy(options)
    for (let partition = 0; partition < (direct ?? (shuffleOf(options, deployed.name) as number)); partition++) {
      const task = reduceTask(deployed, partition)
      const has = state.stored(task)
      const end = ends.get(`${topic}/${partition}`) ?? 0
      if ((has?.position ?? -1) < end) return `${task} has committed ${has?.position} of ${end}`
      const status = statuses.find(({ id }) => id === task)
      if (!status) return `nobody has ${task}`
      for (const [key, due] of has?.timers ?? [])
        if (due <= (status.clock ?? Number.NEGATIVE_INFINITY)) return `${task} has not met the timer of ${key}`
    }
  }
  return undefined
}
