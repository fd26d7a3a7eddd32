import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openLmdb } from '../../src/connections/lmdb.ts'
import type { State } from '../../src/core/model.ts'
import type { PartContext } from '../../src/core/part.ts'
import embedded from '../../src/state/embedded.ts'
import { stateSuite } from '../../src/testing/state.ts'

const ignore = () => undefined
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore }

stateSuite({
  name: 'embedded',
  async open() {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-state-'))
    const context: PartContext = { directory, deployment: 'test', log }
    const open = async (): Promise<State> => embedded.open({ path: 'state' }, context)
    const handles = [await open()]
    return {
      state: handles[0] as State,
      another: open,
      async wipe() {
        for (const handle of handles) await handle.close()
        await rm(join(directory, 'state'), { recursive: true })
        handles.push(await open())
        return handles.at(-1) as State
      },
      async close() {
        for (const handle of handles) await handle.close()
        await rm(directory, { recursive: true })
      },
    }
  },
})

it('stops clearly where what it holds of a task was cut off, or is of a later version', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-state-'))
  const open = async () => embedded.open({ path: 'state' }, { directory, deployment: 'test', log })
  const first = await open()
  await first.open('reduce/a@1/0')
  await first.close()
  const database = async () => openLmdb(await import('lmdb'), join(directory, 'state'))
  const lmdb = await database()
  const [claim] = lmdb.read((entries) => [...entries.getRange({ start: Buffer.from([1]), end: Buffer.from([2]) })])
  if (!claim) throw new Error('there is no claim')
  await lmdb.close()
  const [value, later] = [Buffer.from(claim.value), Buffer.from(claim.value)]
  later[0] = 2
  for (const harmed of [value.subarray(0, 10), later]) {
    const again = await database()
    await again.write((entries) => entries.putSync(claim.key, Buffer.from(harmed)))
    await again.close()
    const state = await open()
    await expect(state.open('reduce/a@1/0')).rejects.toMatchObject({ name: 'ClearStop', code: 'state-unreadable' })
    await state.close()
  }
  await rm(directory, { recursive: true })
})
