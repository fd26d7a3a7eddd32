/** The city of docker-compose.yml and the worker beside it, as processes on real services. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../services/index.ts'

const root = join(import.meta.dirname, '../..')

// its topics are called as in the simulator: no other test has orders and acceptances on the shared broker
describeWith(['kafka', 'registry', 'redis'], 'docker compose --profile city', ({ kafka, registry, redis }) => {
  test('makes topics and schemas, feeds them, and is computed; both end at SIGTERM', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-city-'))
    const place = join(folder, '.millrace/city.json')
    const environment = {
      KAFKA: kafka.brokers[0] as string,
      REGISTRY: registry.url,
      REDIS: redis.url,
      HTTP_HOST: '127.0.0.1',
    }
    const city = start(['deploy/compose/feed.ts', folder], environment)
    try {
      await city.says(/"msg":"feeding"/)
      const worker = start(['src/main.ts', 'run', '-d', 'deploy/compose', '--port', '0'], environment)
      try {
        const [, url = ''] = await worker.says(/"url":"([^"]+)"/)
        await expect
          .poll(() => features(`${url}/v1/features/store/store-1`), { timeout: 60_000 })
          .toMatchObject({ found: true, features: { orders_10m: { value: expect.any(Number) } } })
        // what the health check of the container looks at
        const written = (await stat(place)).mtimeMs
        await expect.poll(async () => (await stat(place)).mtimeMs).toBeGreaterThan(written)
      } finally {
        expect(await worker.stop()).toBe(0)
      }
    } finally {
      expect(await city.stop()).toBe(0)
      await rm(folder, { recursive: true })
    }
  })
})

async function features(url: string): Promise<unknown> {
  const response = await fetch(url).catch(() => undefined)
  return response?.json()
}

function start(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...environment } })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      out += bytes
    })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    says: (pattern: RegExp) =>
      expect
        .poll(
          () => {
            if (child.exitCode !== null) throw new Error(`${args[0]} ended: ${out}`)
            return pattern.exec(out)
          },
          { timeout: 60_000 },
        )
        .not.toBeNull()
        .then(() => pattern.exec(out) as RegExpExecArray),
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}
