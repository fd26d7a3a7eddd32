import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
