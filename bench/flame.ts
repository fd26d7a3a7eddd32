/**
 * Flame graphs of CPU profiles, as SVG. Below stands who calls, above it whom it calls, as wide as the time that it took with all that
 * stands on it; a bar's title tells its name, place and share.
 */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What V8 writes of a profile, as far as it is read here. Times in µs. */
export interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Calls of one function from the same callers. */
interface Frame {
  readonly name: string
  time: number
  readonly calls: Map<string, Frame>
}

const WIDTH = 1200
const HEIGHT = 17
/** Narrower bars are left out: their titles could not be pointed at. */
const NARROWEST = 2.5
const LETTER = 6.3
/** What is no work of the program's, or stands below everything. */
const LEFT_OUT = new Set(['(root)', '(idle)', '(program)', 'runMicrotasks', 'processTicksAndRejections'])

/** Where a task's work begins: what was sampled before the first of it is the start of the process, and left out. */
const WORK = /\/src\/engine\/(map|reduce|transform)\.ts$/

/** The flame graph of a worker's profile, start and waiting left out. */
export function flameGraph(profile: Profile, title: string): string {
  const root = gathered(profile)
  const bars: string[] = []
  const top = deepest(root, root.time) * HEIGHT + 30
  const place = (frame: Frame, x: number, depth: number) => {
    const width = (frame.time / root.time) * WIDTH
    if (width < NARROWEST) return
    bars.push(bar(frame, x, top - depth * HEIGHT, width, frame.time / root.time))
    for (const call of [...frame.calls.values()].sort((a, b) => a.name.localeCompare(b.name))) {
      place(call, x, depth + 1)
      x += (call.time / root.time) * WIDTH
    }
  }
  place(root, 0, 0)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + HEIGHT}" font-family="sans-serif" font-size="11">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="4" y="15" font-size="13">${escaped(title)}</text>
${bars.join('\n')}
</svg>
`
}

function gathered({ nodes, samples, timeDeltas }: Profile): Frame {
  const root: Frame = { name: 'all', time: 0, calls: new Map() }
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const own = new Map<number, number>()
  const start = Math.max(
    0,
    samples.findIndex((id) => WORK.test(byId.get(id)?.callFrame.url ?? '')),
  )
  for (let i = start; i < samples.length; i++) {
    const id = samples[i] as number
    own.set(id, (own.get(id) ?? 0) + Math.max(0, timeDeltas[i] ?? 0))
  }
  for (const [id, time] of own) {
    if (byId.get(id)?.callFrame.functionName === '(idle)') continue
    const names: string[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { functionName, url, lineNumber } = (byId.get(at) as Profile['nodes'][number]).callFrame
      if (!LEFT_OUT.has(functionName)) names.unshift(nameOf(functionName, url, lineNumber))
    }
    let frame = root
    frame.time += time
    for (const name of names) {
      const next: Frame = frame.calls.get(name) ?? { name, time: 0, calls: new Map() }
      frame.calls.set(name, next)
      frame = next
      frame.time += time
    }
  }
  return root
}

/** Places within the project or a package, so that no path of the machine that measured is kept. */
function nameOf(functionName: string, url: string, lineNumber: number): string {
  const place = /node:.*|(?<=\/node_modules\/)(?!.*\/node_modules\/).*|(?<=\/)src\/.*/.exec(url)?.[0]
  return `${functionName || '(anonymous)'}${place ? ` ${place}:${lineNumber + 1}` : ''}`
}

function deepest(frame: Frame, all: number): number {
  const calls = [...frame.calls.values()].filter(({ time }) => (time / all) * WIDTH >= NARROWEST)
  return 1 + Math.max(0, ...calls.map((call) => deepest(call, all)))
}

function bar({ name }: Frame, x: number, y: number, width: number, share: number): string {
  const [called = '', place = ''] = name.split(' ')
  const letters = Math.floor((width - 4) / LETTER)
  const text = letters < 3 ? '' : called.length > letters ? `${called.slice(0, letters - 1)}…` : called
  const label = text && `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escaped(text)}</text>`
  const fill = place.startsWith('src/') ? '#8fc1e3' : place === '' ? '#f2c078' : '#d9d9d9'
  return `<g><title>${escaped(name)}, ${(share * 100).toFixed(1)} %</title><rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(1, width - 0.5).toFixed(1)}" height="16" fill="${fill}"/>${label}</g>`
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Draws the newest profile of a folder. */
export async function drawProfile(folder: string, file: string, title: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.cpuprofile')).map((name) => join(folder, name))
  const dated = await Promise.all(names.map(async (name) => ({ name, at: (await stat(name)).mtimeMs })))
  const newest = dated.sort((a, b) => b.at - a.at)[0]
  if (!newest) throw new Error(`no .cpuprofile in ${folder}`)
  await writeFile(file, flameGraph(JSON.parse(await readFile(newest.name, 'utf8')) as Profile, title))
}
