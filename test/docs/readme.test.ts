/** The README is run as it stands: its commands in a copy of the project, its files held against those in `examples/`. */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const readme = await readFile(join(root, 'README.md'), 'utf8')
/** `info` stands behind the opening fence. */
const blocks = [...readme.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = '']) => ({ info, text }))

let copy: string
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'millrace-readme-'))
  for (const name of ['package.json', 'src', 'examples'])
    await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rm(copy, { recursive: true, force: true }))

test('its topology is that in examples/', async () => {
  const [shown, ...others] = blocks.filter(({ info }) => info.startsWith('yaml '))
  expect(others).toEqual([])
  expect(shown?.text).toBe(await readFile(join(root, shown?.info.split(' ')[1] ?? ''), 'utf8'))
})

test('a topology: the commands do what stands below them', { timeout: 60_000 }, async () => {
  const [commands, output, wrong] = blocks.filter(({ info }) => /^(sh test|text )/.test(info))
  expect(await shell(commands?.text ?? '')).toBe(output?.text)
  const [, right = '', slip = ''] = /"(.*)" "(.*)"/.exec(wrong?.info ?? '') ?? []
  const file = join(copy, 'my-project/topologies/store-ratings.yaml')
  await writeFile(file, (await readFile(file, 'utf8')).replace(right, slip))
  expect(await shell('npm run -s millrace -- check -d my-project || true')).toBe(wrong?.text)
})

test('no block that is to be run is overlooked', () => {
  const marked = blocks.filter(({ info }) => /^(sh|text|yaml) ./.test(info)).map(({ info }) => info.split(' ')[1])
  expect(marked).toEqual(['examples/first-topology/topologies/store-ratings.yaml', 'test', 'output', 'slip'])
})

/** Runs the lines as a person would; rejects when one fails. */
function shell(commands: string): Promise<string> {
  const child = spawn('sh', ['-ec', commands], { cwd: copy })
  let [out, error] = ['', '']
  child.stdout.on('data', (bytes) => {
    out += bytes
  })
  child.stderr.on('data', (bytes) => {
    error += bytes
  })
  return new Promise((resolve, reject) =>
    child.on('close', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${commands}: ${code}\n${out}${error}`)),
    ),
  )
}
