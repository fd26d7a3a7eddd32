/** What can be said of the image and of docker-compose.yml with no Docker engine. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { checkProject } from '../../src/project/check.ts'
import { sourceTopics } from '../../src/runtime/topics.ts'

interface Service {
  readonly image: string
  readonly build?: { readonly context: string; readonly target?: string }
  readonly profiles?: readonly string[]
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
}

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFile(join(root, file), 'utf8')
const services: Readonly<Record<string, Service>> = parse(await read('docker-compose.yml'), { merge: true }).services
const named = Object.entries(services)
const dockerfile = await read('Dockerfile')
const { version, devDependencies } = JSON.parse(await read('package.json'))

/** `name:1.2.3` or longer, or a dated release; never a tag that moves. */
const PINNED = /:(\d+(\.\d+)+|RELEASE\.[\dTZ-]+)(-[\w.-]+)?$/

describe('docker-compose.yml', () => {
  test.each(named)('%s is pinned to a version, or built as this one', (_, { image, build }) => {
    expect(image).toMatch(PINNED)
    if (build) expect(image).toMatch(new RegExp(`:${version}$`))
  })

  test.each(named)('%s says when it is healthy', (_, { healthcheck }) => {
    const [how, ...command] = healthcheck?.test ?? []
    expect(how).toBe('CMD')
    expect(command.length).toBeGreaterThan(0)
    expect(command.filter((word) => typeof word !== 'string')).toEqual([])
  })

  test('ports are open to this machine only, and no two are the same', () => {
    const ports = named.flatMap(([, { ports = [] }]) => ports)
    expect(ports.filter((port) => !/^127\.0\.0\.1:\d+:\d+$/.test(port))).toEqual([])
    const taken = ports.map((port) => port.split(':')[1])
    expect(taken).toHaveLength(new Set(taken).size)
  })

  test.each(named)('%s waits for services that start with it', (_, { profiles = [], depends_on = {} }) => {
    for (const [name, { condition }] of Object.entries(depends_on)) {
      expect(condition).toBe('service_healthy')
      const needed = services[name]
      expect(needed, name).toBeDefined()
      expect(needed?.profiles ?? profiles).toEqual(profiles)
    }
  })

  test('without a profile there is what the README uses', () => {
    expect(named.flatMap(([name, { profiles }]) => (profiles ? [] : [name]))).toEqual(['kafka', 'registry', 'redis'])
  })

  test.each(['city', 'millrace'])('%s finds a right project in what is mounted', async (name) => {
    const { volumes = [], environment = {}, command = [] } = services[name] as Service
    const folder = await mkdtemp(join(tmpdir(), 'millrace-compose-'))
    try {
      for (const [from = '', to = '', mode] of volumes.map((volume) => volume.split(':'))) {
        expect([from, mode]).toEqual([expect.stringMatching(/^\.\//), 'ro'])
        await mkdir(dirname(join(folder, to)), { recursive: true })
        await symlink(join(root, from), join(folder, to))
      }
      const directory = join(folder, name === 'city' ? `/app/${dirname(command[1] ?? '')}` : (command[2] ?? ''))
      const { problems, project } = await checkProject(directory, { environment })
      expect(problems).toEqual([])
      expect(project?.config.http).toMatchObject({ host: '0.0.0.0', port: 8080 })
      expect(project && sourceTopics(project)).toEqual(expect.arrayContaining(['orders', 'acceptances']))
      if (name === 'city') expect(existsSync(join(folder, 'app', command[1] ?? ''))).toBe(true)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('the project is that of npm start, on other services', async () => {
    const [here, there] = [parse(await read('deploy/compose/millrace.yaml')), parse(await read('millrace.yaml'))]
    const settings = Object.entries<Record<string, unknown>>(here.topics).map(([name, { schema, ...rest }]) => [
      name,
      rest,
    ])
    expect(Object.fromEntries(settings)).toEqual(there.topics)
    expect([here.deployment, here.engine]).toEqual([there.deployment, there.engine])
  })

  test('addresses inside are those of services of this file', () => {
    const { KAFKA = '', REGISTRY = '', REDIS = '' } = services.millrace?.environment ?? {}
    expect(services.kafka?.environment?.KAFKA_ADVERTISED_LISTENERS).toContain(`INSIDE://${KAFKA}`)
    for (const [name, url] of Object.entries({ registry: REGISTRY, redis: REDIS })) {
      const { hostname, port } = new URL(url)
      expect(hostname).toBe(name)
      expect(services[name]?.ports?.[0]).toMatch(new RegExp(`:${port}$`))
    }
  })
})

describe('the image', () => {
  const stages = [...dockerfile.matchAll(/^FROM (\S+)(?: AS (\S+))?$/gm)].map(([, from, name]) => ({ from, name }))

  test('is of one base, of the Node that npm scripts run on', () => {
    expect(stages.length).toBeGreaterThan(1)
    for (const { from } of stages) expect(from).toBe(`node:${devDependencies.node}-bookworm-slim`)
    expect(dockerfile).toContain(`image.base.name="docker.io/library/${stages[0]?.from}"`)
  })

  test('says the version of the package', () => {
    expect(dockerfile).toContain(`org.opencontainers.image.version="${version}"`)
  })

  test('is built from what the context has', async () => {
    const kept = (await read('.dockerignore')).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(kept.shift()).toBe('*')
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources = '']) =>
      sources.split(' '),
    )
    expect([...new Set(copied)].sort()).toEqual(kept.map((line) => line.replace(/^!/, '')).sort())
    for (const name of copied) expect(readdirSync(root), name).toContain(name)
  })

  test('takes from stages that there are; docker-compose.yml builds those too', () => {
    const names = stages.flatMap(({ name }) => (name === undefined ? [] : [name]))
    const taken = [...dockerfile.matchAll(/--from=(\S+)/g)].map(([, name]) => name)
    const built = named.flatMap(([, { build }]) => build?.target ?? [])
    expect(taken.length).toBeGreaterThan(0)
    for (const name of [...taken, ...built]) expect(names).toContain(name)
  })

  test('runs as nobody in particular, started without a shell, so that signals arrive', () => {
    const [, last = ''] = dockerfile.split(/^FROM .*slim$/m)
    expect(last).toMatch(/^USER 1000:1000$/m)
    expect(last).toMatch(/^ENTRYPOINT \["node", "\/app\/dist\/main\.js"\]$/m)
    expect(last).toMatch(/^STOPSIGNAL SIGTERM$/m)
  })
})

describe('health checks', () => {
  const ofImage: readonly string[] = JSON.parse(/^HEALTHCHECK [\s\S]*?CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]')
  const ofWorker = services.millrace?.healthcheck?.test.slice(1) ?? []
  const exitCode = async ([, ...args]: readonly string[]) => (await once(spawn(process.execPath, args), 'exit'))[0]

  test.each([
    ['/health/live', ofImage],
    ['/health/ready', ofWorker],
  ])('are what %s answers', async (path, command) => {
    let status = 200
    const server = createServer(({ url }, response) => response.writeHead(url === path ? status : 404).end('{}'))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const asked = command.map((word) => word.replace(':8080', `:${port}`))
    expect(await exitCode(asked)).toBe(0)
    status = 503
    expect(await exitCode(asked)).toBe(1)
    server.close()
    await once(server, 'close')
    expect(await exitCode(asked)).toBe(1)
  })

  test('the city is healthy while it remembers its place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-compose-'))
    const place = join(folder, 'city.json')
    const command = (services.city?.healthcheck?.test.slice(1) ?? []).map((word) =>
      word.replace('/tmp/.millrace/city.json', place),
    )
    try {
      expect(await exitCode(command)).toBe(1)
      await writeFile(place, '{}')
      expect(await exitCode(command)).toBe(0)
      const before = Date.now() / 1000 - 60
      await utimes(place, before, before)
      expect(await exitCode(command)).toBe(1)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
