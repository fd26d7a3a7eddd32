/** The wall clocks of workers jump by two hours, forth and back, each worker's by itself. */
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Missing } from '../../services/recipe.ts'
import type { Scenario } from '../scenario.ts'

const LIBRARIES = '/usr/lib'

async function library(): Promise<string> {
  for (const folder of await readdir(LIBRARIES)) {
    const path = join(LIBRARIES, folder, 'faketime/libfaketime.so.1')
    if (existsSync(path)) return path
  }
  throw new Missing('libfaketime is not installed')
}

const scenario: Scenario = {
  summary: 'clocks of workers jump by two hours, forth and back',
  async run({ lab: create, say }) {
    const preload = await library()
    const lab = await create()
    const clocks = [0, 1].map((i) => join(lab.directory, `clock-${i}`))
    const set = (i: number, offset: string) => writeFile(clocks[i] as string, offset)
    const workers = []
    for (const [i, file] of clocks.entries()) {
      await set(i, '+0')
      workers.push(
        await lab.startWorker({
          LD_PRELOAD: preload,
          FAKETIME_TIMESTAMP_FILE: file,
          FAKETIME_NO_CACHE: '1',
          // pauses and timeouts of a process go on as they do when a clock is set
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        }),
      )
    }
    lab.load.start()
    await lab.untilCounted()
    for (const [i, offset] of [
      [0, '+2h'],
      [1, '-2h'],
      [0, '-2h'],
      [1, '+2h'],
      [0, '+0'],
      [1, '+0'],
    ] as const) {
      await set(i, offset)
      await sleep(2_000)
      say(`worker ${i + 1} at ${offset}: counts after ${Math.round(await lab.untilCounted())} ms`)
    }
    await set(0, '+2h')
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `7 jumps of 2 h and more; ${lab.counted()}`
  },
}
export default scenario
