import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { afterwards, directoryForTest, openLog, recordingLog } from './fixture.ts'

/** Starts the writer, kills it with SIGKILL after so many acknowledgements; answers all of them. */
async function writeAndKill(directory: string, run: string, after: number): Promise<string[]> {
  const child: ChildProcess = spawn(
    process.execPath,
    [fileURLToPath(new URL('./writer.ts', import.meta.url)), directory, run],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  afterwards(async () => child.kill('SIGKILL'))
  let said = ''
  child.stdout?.on('data', (data) => {
    said += data
    if (said.split('\n').length > after) child.kill('SIGKILL')
  })
  await once(child, 'close')
  expect(child.signalCode).toBe('SIGKILL')
  // The last line may be torn.
  return said.split('\n').slice(0, -1)
}

it('everything acknowledged is there after kill -9, once and in order', { timeout: 120_000 }, async () => {
  const directory = await directoryForTest()
  const acknowledged: string[] = []
  for (const [run, after] of [100, 7, 900, 1, 333].entries())
    acknowledged.push(...(await writeAndKill(directory, `run${run}`, after)))
  const transport = await openLog(directory, {}, recordingLog())
  const ranges = await transport.ranges('events')
  const read: string[][] = [[], []]
  const { promise, resolve } = Promise.withResolvers<void>()
  const left = new Set([0, 1])
  await transport.join('reader', ['events'], {
    opened: async () => 0,
    closed: () => undefined,
    batch: async ({ partition, records, next }) => {
      read[partition]?.push(...records.map((record) => String(record.value)))
      if (next >= (ranges[partition]?.end ?? 0)) left.delete(partition)
      if (left.size === 0) resolve()
    },
  })
  await promise
  for (const values of read) {
    const found = new Set(values)
    expect(acknowledged.filter((value) => !found.has(value))).toEqual([])
    expect(found.size).toBe(values.length)
    const written = Map.groupBy(values, (value) => value.replace(/ \d+$/, ''))
    for (const [writer, own] of written) expect(own).toEqual(own.map((_, n) => `${writer} ${n}`))
  }
})
