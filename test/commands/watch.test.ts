import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { watchFiles } from '../../src/commands/watch.ts'

let folder: string
let stop: AbortController
let seen: number
let watching: Promise<void>

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-watch-'))
  mkdirSync(join(folder, 'topologies'))
  writeFileSync(join(folder, 'topologies/a.yaml'), 'a: 1')
  writeFileSync(join(folder, 'millrace.yaml'), '')
})
afterEach(async () => {
  stop.abort()
  await watching
  rmSync(folder, { recursive: true })
})

const EVERY_MS = 20

async function watch(paths = ['millrace.yaml', 'topologies', 'schemas']): Promise<void> {
  stop = new AbortController()
  seen = 0
  const changed = async () => {
    seen++
  }
  watching = watchFiles(() => paths.map((path) => join(folder, path)), changed, stop.signal, { every: EVERY_MS })
  await sleep(EVERY_MS * 3)
}

it.each([
  ['a file that is written', () => writeFileSync(join(folder, 'topologies/a.yaml'), 'a: 22')],
  ['a file that is added', () => writeFileSync(join(folder, 'topologies/b.yaml'), 'b: 1')],
  ['a file that is removed', () => rmSync(join(folder, 'topologies/a.yaml'))],
  ['a folder that comes', () => mkdirSync(join(folder, 'schemas'))],
  [
    'a file that an editor writes beside and renames',
    () => {
      writeFileSync(join(folder, 'topologies/.a.swp'), 'a: 3')
      renameSync(join(folder, 'topologies/.a.swp'), join(folder, 'topologies/a.yaml'))
    },
  ],
])('notices %s, once', async (_, change) => {
  await watch()
  expect(seen).toBe(0)
  change()
  await expect.poll(() => seen).toBe(1)
  await sleep(EVERY_MS * 5)
  expect(seen).toBe(1)
})

it('notices that the link behind a mounted ConfigMap was swapped', async () => {
  const version = (name: string, text: string) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'a.yaml'), text)
  }
  version('..1', 'a: 1')
  symlinkSync('..1', join(folder, '..data'))
  mkdirSync(join(folder, 'mounted'))
  symlinkSync('../..data/a.yaml', join(folder, 'mounted/a.yaml'))
  await watch(['mounted'])
  version('..2', 'a: 1')
  symlinkSync('..2', join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  await expect.poll(() => seen).toBe(1)
})

it('waits until a file that is being written has come to rest', async () => {
  stop = new AbortController()
  let looks = 0
  const paths = () => {
    if (looks++ < 10) writeFileSync(join(folder, 'topologies/a.yaml'), 'a'.repeat(looks))
    return [join(folder, 'topologies')]
  }
  const seenAt: number[] = []
  const changed = async () => {
    seenAt.push(looks)
  }
  watching = watchFiles(paths, changed, stop.signal, { every: EVERY_MS })
  await expect.poll(() => seenAt).toEqual([11])
})

it('notices what was written since the files were read, and not what was written before', async () => {
  const early = performance.timeOrigin + performance.now()
  writeFileSync(join(folder, 'topologies/a.yaml'), 'a: 3')
  await sleep(100)
  const late = early + 100
  for (const [since, times] of [
    [early, 1],
    [late, 0],
  ] as const) {
    stop = new AbortController()
    seen = 0
    const changed = async () => {
      seen++
    }
    watching = watchFiles(() => [join(folder, 'topologies')], changed, stop.signal, { since, every: EVERY_MS })
    await sleep(EVERY_MS * 10)
    expect(seen).toBe(times)
    stop.abort()
    await watching
  }
})
