/** Kafka Streams and Flink at the same works: their programs are in `peers/`, their libraries come from Maven Central. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cached, findJava, maven } from '../test/services/java.ts'
import { Missing } from '../test/services/recipe.ts'
import { cpuSeconds, runToEnd } from './children.ts'
import type { Engine, Figures, Output, Work } from './engine.ts'
import { PARTITIONS, recordsOf, type Setup, TOPIC } from './setup.ts'
import { Taken } from './w0.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const PATIENCE_MS = 300_000
const AVRO = ['org.apache.avro', 'avro', '1.12.0'] as const
const LOGGING = ['org.slf4j', 'slf4j-simple', '1.7.36'] as const
const FLINK = '2.1.0'
const KAFKA_STREAMS = '4.3.1'

interface Program {
  /** Of its source, in `peers/`. */
  readonly folder: string
  readonly name: string
  readonly version: string
  readonly libraries: readonly (readonly [group: string, artifact: string, version: string])[]
  readonly about: Engine['about']
  readonly javaArgs: readonly string[]
}

const STREAMS = {
  folder: 'kstreams',
  name: `Kafka Streams ${KAFKA_STREAMS}`,
  version: KAFKA_STREAMS,
  libraries: [['org.apache.kafka', 'kafka-streams', KAFKA_STREAMS], AVRO, LOGGING],
} as const

export const PROGRAMS: Readonly<Record<'kstreams' | 'kstreams-memory' | 'flink', Program>> = {
  kstreams: {
    ...STREAMS,
    about: (work) =>
      work === 'w0' ? 'at least once' : 'exactly once, state in RocksDB, commits each second; durable shuffle',
    javaArgs: [],
  },
  'kstreams-memory': {
    ...STREAMS,
    name: `${STREAMS.name}, in memory`,
    about: (work) =>
      work === 'w0' ? undefined : 'exactly once, state on the heap, commits each second; durable shuffle',
    javaArgs: ['-Dmemory=true'],
  },
  flink: {
    folder: 'flink',
    name: `Flink ${FLINK}`,
    version: FLINK,
    libraries: [
      ['org.apache.flink', 'flink-streaming-java', FLINK],
      ['org.apache.flink', 'flink-clients', FLINK],
      ['org.apache.flink', 'flink-connector-base', FLINK],
      ['org.apache.flink', 'flink-connector-kafka', '4.0.1-2.0'],
      AVRO,
      LOGGING,
    ],
    about: (work, output) => {
      if (work === 'w0') return 'at least once, checkpoints each second'
      return output === 'each' ? 'state on the heap, checkpoints to disk each second; shuffle in memory' : undefined
    },
    javaArgs: ['java.util', 'java.lang'].flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`]),
  },
}
export type PeerName = keyof typeof PROGRAMS

/** Compiles the program. Throws `Missing` where there is no JDK, no Maven or no network for the first time. */
export async function openPeer(peer: PeerName, setup: Setup): Promise<Engine> {
  const program = PROGRAMS[peer]
  const java = await findJava(17)
  if (java === undefined) throw new Missing('no Java of version 17 or later is installed')
  const compiler = join(dirname(java), 'javac')
  if (!existsSync(compiler)) throw new Missing(`no Java compiler beside ${java}`)
  const libraries = await cached(`bench-${program.folder}-${program.version}`, (directory) =>
    download(program, directory),
  )
  const classes = join(setup.directory, `${peer}-classes`)
  await mkdir(classes)
  const sources = (
    await Promise.all(
      ['common', program.folder].map(async (folder) =>
        (await readdir(join(HERE, 'peers', folder))).map((file) => join(HERE, 'peers', folder, file)),
      ),
    )
  ).flat()
  const run = promisify(execFile)
  await run(compiler, ['-nowarn', '-d', classes, '-cp', join(libraries, '*'), ...sources])
  return {
    name: program.name,
    about: program.about,
    run: (work, output, name) =>
      runPeer(program, java, `${classes}:${join(libraries, '*')}`, setup, work, output, name),
  }
}

async function runPeer(
  { javaArgs }: Program,
  java: string,
  classpath: string,
  setup: Setup,
  work: Work,
  output: Output,
  run: string,
): Promise<Figures> {
  const { transport, pids, events } = setup
  await transport.create({ name: run, partitions: PARTITIONS, retentionMs: -1 })
  const settings = {
    broker: setup.brokers[0],
    topic: TOPIC,
    out: run,
    events,
    partitions: PARTITIONS,
    threads: availableParallelism(),
    directory: join(setup.directory, run),
    schema: join(HERE, 'w1/schemas/orders.avsc'),
    'org.slf4j.simpleLogger.defaultLogLevel': 'error',
  }
  await mkdir(settings.directory)
  const properties = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`)
  const args = ['-Xms256m', '-Xmx2g', ...javaArgs, ...properties, '-cp', classpath, 'Main', work, output]
  const services = async () => (await cpuSeconds(pids.broker)) + (await cpuSeconds(pids.redis))
  try {
    const servicesBefore = await services()
    const { output: printed, peakMb } = await runToEnd(java, args, PATIENCE_MS)
    const servicesCpu = (await services()) - servicesBefore
    const told = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as Told
    if (told.events !== events) throw new Error(`${run} took ${told.events} events of ${events}`)
    await check(setup, run, work, told)
    return {
      eventsPerSecond: events / told.seconds,
      cpuPerEvent: (told.cpuSeconds * 1e6) / events,
      servicesCpuPerEvent: (servicesCpu * 1e6) / events,
      peakMb,
      results: told.results,
    }
  } finally {
    for (const topic of await topicsOf(setup, run)) await transport.deleteTopic(topic)
  }
}

/** What a program prints at its end. */
interface Told {
  readonly events: number
  readonly results: number
  readonly seconds: number
  readonly cpuSeconds: number
}

/** Topics of a run: where results go, and those that Kafka Streams makes under its application's id. */
async function topicsOf({ transport }: Setup, run: string): Promise<string[]> {
  const made = ['by-store-repartition', 'stores-changelog', 'times-changelog', 'open-changelog']
  return [...(await transport.topics([run, ...made.map((name) => `${run}-${name}`)])).keys()]
}

/** W0 by content; W1 by the number of results, since a peer that goes by order of arrival has other values. */
async function check({ transport, taken }: Setup, topic: string, work: Work, { results }: Told): Promise<void> {
  const made = new Taken()
  let records = 0
  for await (const { value } of recordsOf(transport, topic)) {
    records++
    if (work === 'w0') made.add(JSON.parse(String(value)) as Parameters<Taken['add']>[0])
  }
  if (records !== results) throw new Error(`${topic} has ${records} records, ${results} were said`)
  if (work === 'w0' && `${made}` !== `${taken}`) throw new Error(`${topic} has ${made} instead of ${taken}`)
}

async function download({ libraries }: Program, directory: string): Promise<void> {
  const dependencies = libraries.map(
    ([group, artifact, version]) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`,
  )
  const pom = join(directory, 'pom.xml')
  await writeFile(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>millrace.bench</groupId><artifactId>peer</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('\n')}</dependencies></project>`,
  )
  await maven('copy-dependencies', ['-f', pom, '-DincludeScope=runtime', `-DoutputDirectory=${directory}`])
}
