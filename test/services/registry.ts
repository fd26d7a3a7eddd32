/** A schema registry with Confluent's API: Apicurio Registry. */

import { execFile } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificates } from './certificates.ts'
import { dockerAnswers, runContainer } from './docker.ts'
import { cached, findJava, maven } from './java.ts'
import { freePort, Missing, run, type Service } from './recipe.ts'

const VERSION = '3.3.3'
/** The last line that runs on Java 17; `VERSION` wants 21. */
const VERSION_FOR_17 = '2.6.13.Final'
const API = '/apis/ccompat/v7'

export interface RegistryService extends Service {
  /** Base of Confluent's API, without a slash at its end. */
  readonly url: string
  /** The same over TLS, by the server's certificate. */
  readonly secureUrl?: string
}

/**
 * Starts a registry of its own, globally BACKWARD as Confluent's is. Schemas outlive `kill9` and `restart`. With
 * `certificates` it also speaks TLS; not in a container.
 */
export async function start(certificates?: Pick<Certificates, 'server'>): Promise<RegistryService> {
  if (await dockerAnswers()) {
    if (certificates) throw new Missing('files of certificates are not given to a container')
    const container = await runContainer((port) => ({
      name: `apicurio/apicurio-registry:${VERSION}`,
      port: 8080,
      answers: () => demandBackward(port),
    }))
    return Object.assign(container, { url: `http://127.0.0.1:${container.port}${API}` })
  }
  const newer = await findJava(21)
  const java = newer ?? (await findJava(17))
  if (!java) throw new Missing('no Java of version 17 or later is installed')
  const application = await install(newer ? VERSION : VERSION_FOR_17)
  const port = await freePort()
  const managementPort = await freePort()
  const securePort = await freePort()
  const service = await run({
    name: 'registry',
    command: (directory) => {
      const database = `jdbc:h2:file:${join(directory, 'schemas')}`
      return {
        file: java,
        cwd: application,
        args: [
          ...['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
          '-Djava.util.logging.manager=org.jboss.logmanager.LogManager',
          ...[`-Dapicurio.datasource.url=${database}`, `-Dregistry.datasource.url=${database}`],
          ...['-Dquarkus.http.host=127.0.0.1', `-Dquarkus.http.port=${port}`],
          ...(certificates ? tlsOf(certificates, securePort) : []),
          ...['-Dquarkus.management.host=127.0.0.1', `-Dquarkus.management.port=${managementPort}`],
          '-jar',
          newer ? 'quarkus-run.jar' : `apicurio-registry-app-${VERSION_FOR_17}-runner.jar`,
        ],
      }
    },
    answers: () => demandBackward(port),
  })
  const secure = certificates && { secureUrl: `https://127.0.0.1:${securePort}${API}` }
  return Object.assign(service, { url: `http://127.0.0.1:${port}${API}`, ...secure })
}

function tlsOf({ server }: Pick<Certificates, 'server'>, port: number): string[] {
  return [
    `-Dquarkus.http.ssl-port=${port}`,
    `-Dquarkus.http.ssl.certificate.files=${server.cert}`,
    `-Dquarkus.http.ssl.certificate.key-files=${server.key}`,
    '-Dquarkus.http.insecure-requests=enabled',
  ]
}

/** Apicurio has no global rule until it is given one. */
async function demandBackward(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}${API}/config`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"compatibility":"BACKWARD"}',
    signal: AbortSignal.timeout(5000),
  })
  if (!response.ok) throw new Error(`the registry answered ${response.status}: ${await response.text()}`)
}

async function install(version: string): Promise<string> {
  return cached(`registry-${version}`, async (directory) => {
    const artifact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`
    await maven('copy', [`-Dartifact=${artifact}`, `-DoutputDirectory=${directory}`])
    const [archive] = (await readdir(directory)).filter((name) => name.endsWith('.tar.gz'))
    if (!archive) throw new Error(`Maven left no archive of ${artifact}`)
    await promisify(execFile)('tar', ['xzf', archive], { cwd: directory })
    await rm(join(directory, archive))
  })
}
