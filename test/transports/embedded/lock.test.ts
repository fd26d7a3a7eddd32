import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { afterwards, directoryForTest, openLog } from './fixture.ts'

it('lets one process in, and the next one when that has been killed', async () => {
  const directory = await directoryForTest()
  const child: ChildProcess = spawn(
    process.execPath,
    [fileURLToPath(new URL('./writer.ts', import.meta.url)), directory, 'x'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  afterwards(async () => child.kill('SIGKILL'))
  if (child.stdout) await once(child.stdout, 'data')
  await expect(openLog(directory)).rejects.toMatchObject({
    code: 'already-running',
    message: expect.stringContaining(String(child.pid)),
  })
  child.kill('SIGKILL')
  await once(child, 'close')
  expect((await (await openLog(directory)).topics(['events'])).size).toBe(1)
})

it('is not opened twice in one process, but again after it was closed', async () => {
  const directory = await directoryForTest()
  const first = await openLog(directory)
  await expect(openLog(directory)).rejects.toMatchObject({ code: 'already-running' })
  await first.close()
  await openLog(directory)
})
