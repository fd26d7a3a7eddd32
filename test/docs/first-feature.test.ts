/** The guide is run as it stands: each block of commands says what stands below it. */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../services/recipe.ts'

const root = join(import.meta.dirname, '../..')
const guide = await readFile(join(root, 'docs/first-feature.md'), 'utf8')
const blocks = [...guide.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = '']) => ({ info, text }))

let copy: string
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'millrace-guide-'))
  for (const name of ['package.json', 'src', 'examples'])
    await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rm(copy, { recursive: true, force: true }))

test('its commands end in the features that it shows', { timeout: 120_000 }, async ({ signal }) => {
  const port = await freePort()
  const servers: ReturnType<typeof start>[] = []
  try {
    let printed = ''
    for (const { info, text } of blocks) {
      if (info === 'sh') {
        printed = await until(commandsOf(text, port), signal)
      } else if (info === 'sh serves') {
        const server = start(`${text.trim()} --port ${port}`)
        servers.push(server)
        await server.says('replayed 3 events', signal)
      } else if (info === 'text output') expect(printed).toMatch(pattern(text))
    }
  } finally {
    for (const server of servers) await server.stop()
  }
  expect(servers).toHaveLength(1)
})

test('no block is of a kind that is not run', () => {
  expect(blocks.map(({ info }) => info).filter((info) => !['sh', 'sh serves', 'text output'].includes(info))).toEqual([
    'sh clone',
  ])
})

/** The answers of several commands do not run together. */
const commandsOf = (text: string, port: number) =>
  text
    .replaceAll(':8080', `:${port}`)
    .replaceAll(/^(curl .*)$/gm, '$1 && echo')
    .replaceAll(/^(npm .* features get .*)$/gm, `$1 --port ${port}`)

/** What is shown, with anything where it shows …; ages and times in the future of the guide are such. */
const pattern = (text: string) =>
  new RegExp(
    `^${text
      .trim()
      .split('…')
      .map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*')}\\s*$`,
  )

/** Runs the commands as a person would, again while what they ask for is not there yet. */
async function until(commands: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const shell = start(commands)
    const { code, out } = await shell.ended
    if (code === 0 && !out.includes('"found":false')) return out
    if (signal.aborted || !commands.includes('curl')) throw new Error(`${commands}: ${code}\n${out}`)
    await sleep(200)
  }
}

/** In a process group of its own, so that npm and what it started end together. */
function start(command: string) {
  const child = spawn('sh', ['-ec', command], { cwd: copy, detached: true })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      out += bytes
    })
  const ended = new Promise<{ code: number | null; out: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out })),
  )
  return {
    ended,
    says: async (text: string, signal: AbortSignal) => {
      while (!out.includes(text)) {
        signal.throwIfAborted()
        if (child.exitCode !== null) throw new Error(`${command} ended: ${out}`)
        await sleep(50)
      }
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGTERM')
      await ended
    },
  }
}
