/**
 * `node test/fuzz/http.ts [--examples N] [--seed S] [--tokens]`: schemathesis against the OpenAPI that a running `millrace dev`
 * serves, or with tokens `millrace run`, with all its checks. It is kept in a Python environment of its own, beside the services of the tests.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { SignJWT } from 'jose'
import { Missing } from '../services/recipe.ts'

const VERSION = '4.32.5'
const ROOT = join(import.meta.dirname, '../..')
const CACHE = process.env.MILLRACE_SERVICES ?? join(homedir(), '.cache', 'millrace-services')
const execute = promisify(execFile)

/**
 * Left out: that all which fits the schema is accepted. Names of features and what an expression may say are known to the project that
 * runs, not to the schema: such a request is answered with 400.
 */
const EXCLUDED = 'positive_data_acceptance'
/** Streams: they end when whoever reads goes. */
const STREAMS = 'watch'

interface Outcome {
  readonly passed: boolean
  readonly said: string
}

/** Path of its program. Throws `Missing` where there is no Python, or no network to fetch it by. */
export async function schemathesis(): Promise<string> {
  const home = join(CACHE, `schemathesis-${VERSION}`)
  const program = join(home, 'bin', 'st')
  if (existsSync(program)) return program
  const making = `${home}.${process.pid}`
  try {
    await execute('python3', ['-m', 'venv', making])
    await execute(join(making, 'bin', 'python'), ['-m', 'pip', 'install', '-q', `schemathesis==${VERSION}`])
    await rename(making, home)
    await execute('sed', ['-i', `s|${making}|${home}|g`, program])
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    throw new Missing(`schemathesis ${VERSION} cannot be installed: ${(error as Error).message}`)
  }
  return program
}

export interface Trial {
  readonly examples: number
  readonly seed: number
  readonly phases: string
  /** Outside of `dev`, where every route but health and metrics asks for a token; it is given one that opens all. */
  readonly tokens?: boolean
}

/** Runs it against a process of its own, on a copy of the example project. */
export async function tryHttp({ examples, seed, phases, tokens = false }: Trial): Promise<Outcome> {
  const program = await schemathesis()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-http-'))
  for (const name of ['millrace.yaml', 'topologies', 'schemas'])
    await cp(join(ROOT, name), join(folder, name), { recursive: true })
  if (tokens) await askForTokens(join(folder, 'millrace.yaml'))
  const command = tokens ? ['run'] : ['dev', '--rate', '5']
  const args = [join(ROOT, 'src/main.ts'), ...command, '-d', folder, '--port', '0']
  const server = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(server, 'close')
  try {
    const address = await said(server.stdout, /http:\/\/[\d.:]+/)
    const options = [
      '--checks',
      'all',
      '--exclude-checks',
      EXCLUDED,
      '--exclude-path-regex',
      STREAMS,
      '--phases',
      phases,
    ]
    const numbers = ['--max-examples', String(examples), '--seed', String(seed), '--request-timeout', '30']
    const header = tokens ? ['-H', `Authorization: Bearer ${await token()}`] : []
    const plain = [...header, '--no-color', '--generation-database', 'none', '--warnings', 'off']
    return await execute(program, ['run', `${address}/openapi.json`, ...options, ...numbers, ...plain], {
      cwd: folder,
    }).then(
      ({ stdout }) => ({ passed: true, said: stdout }),
      ({ stdout, stderr }: { stdout: string; stderr: string }) => ({ passed: false, said: `${stdout}${stderr}` }),
    )
  } finally {
    server.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}

const SECRET = 'what a test signs its tokens by, 32 bytes at least'
const CLAIMS = { issuer: 'tests', audience: 'millrace' }

async function askForTokens(settings: string): Promise<void> {
  const asked = (await readFile(settings, 'utf8')).replace(
    'auth: none',
    `auth: ${JSON.stringify({ ...CLAIMS, secret: SECRET })}`,
  )
  await writeFile(settings, asked)
}

function token(): Promise<string> {
  return new SignJWT({ scope: 'features:read catalog:read records:read' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(CLAIMS.issuer)
    .setAudience(CLAIMS.audience)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET))
}

/** The first match; all that comes is read on. */
function said(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  stream.on('data', (chunk) => {
    if (text.length < 100_000) text += String(chunk)
    const found = pattern.exec(text)
    if (found) resolve(found[0])
  })
  stream.on('end', () => reject(new Error(`it ended and said: ${text}`)))
  return promise
}

if (process.argv[1] === import.meta.filename) {
  const options = { examples: { type: 'string' }, seed: { type: 'string' }, tokens: { type: 'boolean' } } as const
  const { values } = parseArgs({ options })
  const [examples, seed] = [Number(values.examples ?? 100), Number(values.seed ?? 1)]
  const outcome = await tryHttp({ ...values, examples, seed, phases: 'examples,coverage,fuzzing,stateful' })
  console.log(outcome.said)
  process.exitCode = outcome.passed ? 0 : 1
}
