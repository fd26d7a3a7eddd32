import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { runProgram } from '../../../src/commands/program.ts'
import type { Target } from '../target.ts'
import { changed, HOSTILE_NAMES } from '../text.ts'

const ROOT = join(import.meta.dirname, '../../..')
const FILES = [
  'millrace.yaml',
  'topologies/store-load.yaml',
  'topologies/pickups.yaml',
  'topologies/store-quality.yaml',
  'topologies/store-load.test.yaml',
]
const INPUTS = 5

const target: Target = {
  about:
    'millrace.yaml, topologies and their tests, mutated: check and test say problems with their places, in plain characters, and never fail themselves',
  slice: 150,
  async open() {
    const project = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'))
    await mkdir(join(project, 'topologies'))
    await cp(join(ROOT, 'schemas'), join(project, 'schemas'), { recursive: true })
    const texts = new Map<string, string>()
    for (const file of FILES) texts.set(file, await readFile(join(ROOT, file), 'utf8'))
    const reset = () => Promise.all(FILES.map((file) => writeFile(join(project, file), texts.get(file) as string)))
    return {
      async try(chance, { input, outcome }) {
        await reset()
        for (let i = 0; i < INPUTS; i++) {
          const file = chance.pick(FILES)
          const text = changed(chance, texts.get(file) as string)
          input(() => `${file}\n${JSON.stringify(text)}`)
          await writeFile(join(project, file), text)
          const isTest = file.endsWith('.test.yaml')
          const { code, out, error } = await called(isTest ? 'test' : 'check', project)
          sound(code, `${out}${error}`)
          if (!isTest && code === 1) placed(out)
          outcome(`${isTest ? 'test' : 'check'} ${code}`)
          await writeFile(join(project, file), texts.get(file) as string)
        }
      },
      close: () => rm(project, { recursive: true, force: true }),
    }
  },
}
export default target

async function called(command: string, directory: string): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ['', '']
  const write = new Writable({
    write(chunk, _, done) {
      out += String(chunk)
      done()
    },
  })
  const terminal = {
    out: write,
    error: (line: string) => {
      error += `${line}\n`
    },
    environment: {},
  }
  const code = await runProgram([command, '-d', directory], { ...terminal, stopSignal: new AbortController().signal })
  return { code, out, error }
}

function sound(code: number, said: string): void {
  if (code !== 0 && code !== 1) throw new Error(`it ended with ${code}: ${said}`)
  if (code === 1 && said === '') throw new Error('it failed and said nothing')
  const hidden = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u.exec(said)
  if (hidden) throw new Error(`a raw ${JSON.stringify(hidden[0])} in ${JSON.stringify(said)}`)
  if (/^\s+at .*[(:]/m.test(said) || /\b(TypeError|ReferenceError|RangeError)\b/.test(said))
    throw new Error(`a fault of the program: ${said}`)
  for (const name of HOSTILE_NAMES)
    if (Object.hasOwn(Object.prototype, name) !== STANDARD.has(name)) throw new Error(`Object.prototype has ${name}`)
}

const STANDARD = new Set(Object.getOwnPropertyNames(Object.prototype))

/** Every line is a problem at its place, or says more of the one before. */
function placed(out: string): void {
  for (const line of out.trimEnd().split('\n'))
    if (!/^\S[^:]*:[1-9]\d*:[1-9]\d*: ./.test(line) && !line.startsWith('    ')) throw new Error(`no place: ${line}`)
}
