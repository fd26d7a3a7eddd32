/** Several Redis servers that stand for one: a cluster, and a primary with a replica and a sentinel. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Certificates } from './certificates.ts'
import { ask, freePort, run, type Service, untilAnswers } from './recipe.ts'
import { type RedisService, start } from './redis.ts'

const SLOTS = 16_384

export interface RedisCluster {
  /** `host:port` of each primary. */
  readonly nodes: readonly string[]
  readonly servers: readonly RedisService[]
  /** A connection to each primary. */
  readonly clients: readonly Redis[]
  stop(): Promise<void>
}

const portOf = ({ url }: RedisService) => Number(new URL(url).port)
const addressOf = (service: RedisService) => `127.0.0.1:${portOf(service)}`

/** Directives for TLS at a port of its own, where clients and other servers show a certificate. */
function tlsAt(port: number, { ca, server }: Certificates): Record<string, string> {
  const files = { 'tls-cert-file': server.cert, 'tls-key-file': server.key, 'tls-ca-cert-file': ca }
  return { 'tls-port': String(port), 'tls-auth-clients': 'yes', 'tls-replication': 'yes', ...files }
}

/** As many primaries, which share the slots. With certificates they talk TLS with each other, and so do `nodes`; `clients` do not. */
export async function startCluster(primaries: number, certificates?: Certificates): Promise<RedisCluster> {
  const ports = await Promise.all(Array.from({ length: primaries }, freePort))
  const servers = await Promise.all(
    ports.map(async (port) =>
      start({
        settings: {
          'cluster-enabled': 'yes',
          'cluster-port': String(await freePort()),
          'cluster-node-timeout': '2000',
          ...(certificates && { ...tlsAt(port, certificates), 'tls-cluster': 'yes' }),
        },
      }),
    ),
  )
  const clients = servers.map(({ url }) => new Redis(url))
  const [first] = servers as [RedisService]
  for (const [i, client] of clients.entries()) {
    const [from, to] = [Math.floor((i * SLOTS) / primaries), Math.floor(((i + 1) * SLOTS) / primaries) - 1]
    await client.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
    if (i > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', portOf(first), await busPortOf(clients[0] as Redis))
  }
  await untilAnswers(async () => {
    for (const client of clients) {
      const info = String(await client.call('CLUSTER', 'INFO'))
      if (!info.includes('cluster_state:ok') || !info.includes(`cluster_known_nodes:${primaries}`))
        throw new Error(info)
    }
  })
  return {
    nodes: certificates ? ports.map((port) => `127.0.0.1:${port}`) : servers.map(addressOf),
    servers,
    clients,
    async stop() {
      for (const client of clients) client.disconnect()
      for (const server of servers) await server.stop()
    },
  }
}

async function busPortOf(client: Redis): Promise<string> {
  return /@(\d+)/.exec(String(await client.call('CLUSTER', 'NODES')))?.[1] ?? ''
}

export interface RedisWatched {
  /** `host:port` of the sentinel. */
  readonly sentinel: string
  /** The first primary, and its replica. */
  readonly primary: RedisService
  readonly replica: RedisService
  /** Resolves when the replica has all that the primary has. */
  replicated(): Promise<void>
  stop(): Promise<void>
}

/** By the name `shop`. `password`: what servers and sentinel ask for, where they do; with certificates all of them talk TLS only. */
export async function startWatched(password?: string, certificates?: Certificates): Promise<RedisWatched> {
  const secrets: Record<string, string> = password ? { requirepass: password, masterauth: password } : {}
  const startOne = async (settings: Record<string, string>) => {
    const tlsPort = await freePort()
    const service = await start({
      settings: { ...secrets, ...settings, ...(certificates && tlsAt(tlsPort, certificates)) },
    })
    return { service, port: certificates ? tlsPort : portOf(service) }
  }
  const { service: primary, port } = await startOne({})
  const { service: replica } = await startOne({ replicaof: `127.0.0.1 ${port}` })
  const client = new Redis(replica.url, password ? { password } : {})
  await untilAnswers(async () => {
    const info = await client.info('replication')
    if (!info.includes('master_link_status:up')) throw new Error(info)
  })
  client.disconnect()
  const at = await freePort()
  const ports = certificates ? { port: '0', ...tlsAt(at, certificates) } : { port: String(at) }
  const lines = [
    ...Object.entries(ports).map((directive) => directive.join(' ')),
    'bind 127.0.0.1',
    `sentinel monitor shop 127.0.0.1 ${port} 1`,
    'sentinel down-after-milliseconds shop 500',
    'sentinel failover-timeout shop 2000',
    ...(password ? [`sentinel auth-pass shop ${password}`, `requirepass ${password}`] : []),
  ]
  const watcher: Service = await run({
    name: 'sentinel',
    prepare: (directory) => writeFile(join(directory, 'sentinel.conf'), `${lines.join('\n')}\n`),
    command: (directory) => ({ file: 'redis-server', args: [join(directory, 'sentinel.conf'), '--sentinel'] }),
    answers: async () => {
      // whoever asks it for its replicas below waits until it answers
      if (certificates) return
      const said = (await ask(at, 'PING\r\n')).toString()
      if (!/PONG|NOAUTH/.test(said)) throw new Error(said)
    },
  })
  // it learns of the replica from the primary
  const tls = certificates && {
    ca: await readFile(certificates.ca),
    cert: await readFile(certificates.client.cert),
    key: await readFile(certificates.client.key),
  }
  const asking = new Redis(at, { ...(password && { password }), ...(tls && { tls }) })
  await untilAnswers(async () => {
    const replicas = (await asking.call('SENTINEL', 'REPLICAS', 'shop')) as unknown[]
    if (replicas.length !== 1) throw new Error('the sentinel does not know the replica yet')
  })
  asking.disconnect()
  return {
    sentinel: `127.0.0.1:${at}`,
    primary,
    replica,
    async replicated() {
      const asked = new Redis(primary.url, password ? { password } : {})
      await asked.set('last', '1')
      if ((await asked.wait(1, 10_000)) !== 1) throw new Error('the replica is behind')
      asked.disconnect()
    },
    async stop() {
      for (const service of [watcher, replica, primary]) await service.stop()
    },
  }
}
