/** Apache Kafka: one node, broker and controller in one process (KRaft). */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'
import { dockerAnswers, runContainer } from './docker.ts'
import { cached, findJava, maven } from './java.ts'
import { ask, freePort, Missing, run, type Service } from './recipe.ts'

const VERSION = '4.3.1'
const LOGGING = '2.25.4'

export interface KafkaOptions {
  /** Keeps the log here and leaves it behind; a temp directory by default. No meaning in a container. */
  readonly dataDir?: string
  /** Where it listens; a free port by default. No meaning in a container. */
  readonly port?: number
  /** Id of the cluster it is part of, in 22 letters and digits; one of its own by default. No meaning in a container. */
  readonly cluster?: string
  /** Broker settings beside or instead of those below, e.g. `{ 'message.max.bytes': '65536' }`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Adds listeners that ask who comes, and an authorizer: who comes by `brokers` may do all, others what ACLs say. Not in a container. */
  readonly secured?: Secured
}

export interface Secured {
  readonly certificates: Pick<Certificates, 'ca' | 'server'>
  /** Passwords by user: of SASL PLAIN, and of SCRAM. */
  readonly plain: Readonly<Record<string, string>>
  readonly scram: Readonly<Record<string, string>>
}

export interface KafkaService extends Service {
  /** One address, `host:port`. */
  readonly brokers: string[]
  /** With `secured`: TLS and SASL; TLS with a certificate of the client. */
  readonly sasl?: string
  readonly mutual?: string
}

/**
 * Starts a broker of its own. It creates no topic by itself. Records stamped with an old event time are forgotten by
 * age at once: give topics that hold them `retention.ms`.
 */
export async function start(options: KafkaOptions = {}): Promise<KafkaService> {
  const { secured } = options
  if (await dockerAnswers()) {
    if (secured) throw new Missing('files of certificates are not given to a container')
    const container = await runContainer((port) => ({
      name: `apache/kafka:${VERSION}`,
      port,
      env: asEnvironment({ ...settings(port, '0.0.0.0', port + 1), ...options.settings }),
      answers: () => coordinatorAnswers(port),
    }))
    return Object.assign(container, { brokers: [`127.0.0.1:${container.port}`] })
  }
  const java = await findJava(17)
  if (!java) throw new Missing('no Java of version 17 or later is installed')
  const libraries = await install()
  const { port = await freePort() } = options
  const plain = settings(port, '127.0.0.1', await freePort())
  const [sasl, mutual] = [await freePort(), await freePort()]
  const properties = { ...plain, ...(secured && securedSettings(plain, secured, sasl, mutual)), ...options.settings }
  const classpath = ['-cp', join(libraries, '*')]
  const service = await run({
    name: 'kafka',
    dataDir: options.dataDir,
    async prepare(directory) {
      const data = join(directory, 'data')
      const lines = Object.entries({ ...properties, 'log.dirs': data }).map(
        ([key, value]) => `${key}=${value.replace('$DIRECTORY', directory)}`,
      )
      await writeFile(join(directory, 'server.properties'), lines.join('\n'))
      await writeFile(join(directory, 'log4j2.xml'), LOG4J)
      if (existsSync(join(data, 'meta.properties'))) return
      const { cluster = clusterId() } = options
      if (secured) {
        const { key, cert } = secured.certificates.server
        await writeFile(join(directory, 'keystore.pem'), (await readFile(key, 'utf8')) + (await readFile(cert, 'utf8')))
      }
      const users = Object.entries(secured?.scram ?? {}).flatMap(([name, password]) =>
        ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((how) => [
          '--add-scram',
          `${how}=[name=${name},password=${password}]`,
        ]),
      )
      const format = ['format', ...users, '-t', cluster, '-c', join(directory, 'server.properties')]
      await promisify(execFile)(java, [...classpath, '-XX:TieredStopAtLevel=1', 'kafka.tools.StorageTool', ...format])
    },
    command: (directory) => ({
      file: java,
      args: [
        ...['-Xms128m', '-Xmx512m', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'],
        `-Dlog4j2.configurationFile=${join(directory, 'log4j2.xml')}`,
        ...classpath,
        'kafka.Kafka',
        join(directory, 'server.properties'),
      ],
    }),
    answers: () => coordinatorAnswers(port),
  })
  return Object.assign(service, {
    brokers: [`127.0.0.1:${port}`],
    ...(secured && { sasl: `127.0.0.1:${sasl}`, mutual: `127.0.0.1:${mutual}` }),
  })
}

function securedSettings(
  plain: Readonly<Record<string, string>>,
  { certificates, plain: users }: Secured,
  sasl: number,
  mutual: number,
): Record<string, string> {
  const module = 'org.apache.kafka.common.security'
  const listeners = `SECURE://127.0.0.1:${sasl},MUTUAL://127.0.0.1:${mutual}`
  const passwords = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`)
  return {
    listeners: `${plain.listeners},${listeners}`,
    'advertised.listeners': `${plain['advertised.listeners']},${listeners}`,
    'listener.security.protocol.map': `${plain['listener.security.protocol.map']},SECURE:SASL_SSL,MUTUAL:SSL`,
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.secure.plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required ${passwords.join(' ')};`,
    'listener.name.secure.scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
    'listener.name.secure.scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': '$DIRECTORY/keystore.pem',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.ca,
    'listener.name.mutual.ssl.client.auth': 'required',
    'ssl.principal.mapping.rules': 'RULE:^CN=(.*)$/$1/',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  }
}

function settings(port: number, host: string, controllerPort: number): Record<string, string> {
  return {
    'node.id': '1',
    'process.roles': 'broker,controller',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    listeners: `PLAINTEXT://${host}:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    // lets a test that kills a member wait less than Kafka's own six seconds
    'group.min.session.timeout.ms': '1000',
    // a killed broker is let in again only when its former session has run out
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    // the default of 128 MiB is a quarter of the heap given here
    'log.cleaner.dedupe.buffer.size': '16777216',
    'num.network.threads': '2',
    'num.io.threads': '4',
  }
}

const clusterId = () => `x${randomBytes(16).toString('base64url').slice(1)}`

/** Three brokers that are controllers, too: what is written with all acknowledgements outlives any one of them. */
export async function startCluster(): Promise<KafkaService[]> {
  const ports = await Promise.all(Array.from({ length: 6 }, freePort))
  const cluster = clusterId()
  const ids = [1, 2, 3]
  const controller = (id: number) => `127.0.0.1:${ports[id + 2]}`
  const voters = ids.map((id) => `${id}@${controller(id)}`).join(',')
  const starting = ids.map((id) => {
    const port = ports[id - 1] as number
    const settings = {
      'node.id': String(id),
      'controller.quorum.voters': voters,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://${controller(id)}`,
      'offsets.topic.replication.factor': '3',
      'controlled.shutdown.enable': 'true',
    }
    return start({ port, cluster, settings })
  })
  const started = await Promise.allSettled(starting)
  const failed = started.find((one) => one.status === 'rejected')
  const brokers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  if (!failed) return brokers
  await Promise.all(brokers.map((broker) => broker.stop()))
  throw failed.reason
}

/** The image reads `a.b.c=v` from KAFKA_A_B_C=v. */
function asEnvironment(properties: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [`KAFKA_${key.toUpperCase().replaceAll('.', '_')}`, value]),
  )
}

/**
 * Asks who coordinates a group, since a fresh broker takes connections well before it serves groups. By the bytes of
 * FindCoordinator version 1: a client library brings retries and warnings of its own.
 */
async function coordinatorAnswers(port: number): Promise<void> {
  const group = Buffer.from('ready')
  const request = Buffer.alloc(4 + 8 + 2 + 2 + group.length + 1)
  request.writeInt32BE(request.length - 4, 0)
  request.writeInt16BE(10, 4)
  request.writeInt16BE(1, 6)
  request.writeInt16BE(-1, 12)
  request.writeInt16BE(group.length, 14)
  group.copy(request, 16)
  const errorCode = (await ask(port, request)).readInt16BE(12)
  if (errorCode !== 0) throw new Error(`no group coordinator yet: Kafka error ${errorCode}`)
}

/** Jars of the broker. The artifact `kafka_2.13` has the class that the start script of a distribution runs. */
async function install(): Promise<string> {
  return cached(`kafka-${VERSION}`, async (directory) => {
    const pom = join(directory, 'pom.xml')
    await writeFile(pom, POM)
    await maven('copy-dependencies', ['-f', pom, '-DincludeScope=runtime', `-DoutputDirectory=${directory}`])
  })
}

const dependency = (group: string, artifact: string, version: string) =>
  `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>millrace.test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', VERSION)}
    ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', LOGGING)}
    ${dependency('org.apache.logging.log4j', 'log4j-core', LOGGING)}
  </dependencies>
</project>
`

const LOG4J = `<Configuration>
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %m (%c)%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
`
