/** Redis, from the machine's own package. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { dockerAnswers, runContainer } from './docker.ts'
import { ask, freePort, Missing, run, type Service } from './recipe.ts'

export interface RedisOptions {
  /** Keeps data here and leaves it behind; a temp directory by default. No meaning in a container. */
  readonly dataDir?: string
  /** Append-only file, so that data outlives `kill9` and `restart`. Off by default: then they lose everything. */
  readonly appendonly?: boolean
  /** Directives beside those, e.g. `{ appendfsync: 'always', maxmemory: '64mb' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface RedisService extends Service {
  /** `redis://host:port` */
  readonly url: string
}

/** Starts a Redis of its own; 0.1 s, so a test that flushes or kills it should. */
export async function start(options: RedisOptions = {}): Promise<RedisService> {
  const directives = { save: '', appendonly: options.appendonly ? 'yes' : 'no', ...options.settings }
  const args = Object.entries(directives).flatMap(([name, value]) => [`--${name}`, value])
  if (await dockerAnswers()) {
    const container = await runContainer((port) => ({
      name: 'redis:7',
      port: 6379,
      command: ['redis-server', ...args],
      answers: () => pongs(port),
    }))
    return Object.assign(container, { url: `redis://127.0.0.1:${container.port}` })
  }
  await promisify(execFile)('redis-server', ['--version']).catch(() => {
    throw new Missing('redis-server is not installed')
  })
  const port = await freePort()
  const service = await run({
    name: 'redis',
    dataDir: options.dataDir,
    command: (directory) => ({
      file: 'redis-server',
      args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...args],
    }),
    answers: () => pongs(port),
  })
  return Object.assign(service, { url: `redis://127.0.0.1:${port}` })
}

/** While Redis loads its data it answers something else; with a password it does not answer us, but is there. */
async function pongs(port: number): Promise<void> {
  const answer = (await ask(port, 'PING\r\n')).toString()
  if (!/^(\+PONG|-NOAUTH)/.test(answer)) throw new Error(answer)
}
