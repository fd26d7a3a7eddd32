import { execFileSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { afterwards, directoryForTest, openLog, readAll, recordingLog } from './fixture.ts'

/** A file system of 4 MiB; false where this machine does not let us mount one. */
async function mountSmall(directory: string): Promise<boolean> {
  await mkdir(directory)
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return false
  }
  afterwards(async () => execFileSync('/bin/umount', [directory]))
  return true
}

it('rejects writes while the disk is full, keeps the log whole, and writes again once there is room', async ({
  skip,
}) => {
  const directory = join(await directoryForTest(), 'small')
  if (!(await mountSmall(directory))) return skip('a tmpfs of 4 MiB cannot be mounted here: needs root')
  // Segments smaller than what is left sometimes, so that both beginning one and adding to one meet the end.
  const settings = { segmentBytes: 1_000_000 }
  const log = recordingLog()
  const transport = await openLog(directory, settings, log)
  await transport.create({ name: 't', partitions: 1, retentionMs: -1 })
  const ballast = join(directory, 'ballast')
  await writeFile(ballast, Buffer.alloc(1_000_000))
  const written: number[] = []
  const write = (n: number, size: number) =>
    transport.write([{ topic: 't', key: String(n), value: Buffer.alloc(size, n) }]).then(
      () => void written.push(n),
      (error) => expect(error).toMatchObject({ code: 'disk-full' }),
    )
  for (let n = 0; n < 120; n++) await write(n, 50_000)
  expect(written.length).toBeGreaterThan(10)
  expect(written.length).toBeLessThan(120)
  // Small ones fit into the rest or do not; either way nothing that was acknowledged may be lost.
  for (let n = 120; n < 200; n++) await write(n, 3_000)
  const full = written.length
  await rm(ballast)
  for (let n = 200; n < 210; n++) await write(n, 50_000)
  expect(written.length).toBe(full + 10)
  const held = async () => (await readAll(again, 't')).map((record) => Number(record.key))
  let again = transport
  expect(await held()).toEqual(written)
  await writeFile(ballast, Buffer.alloc(4_000_000)).catch((error) => expect(error.code).toBe('ENOSPC'))
  await write(210, 50_000)
  expect(written.length).toBe(full + 10)
  await rm(ballast)
  await transport.close()
  again = await openLog(directory, settings, log)
  expect(await held()).toEqual(written)
  // Nothing was left behind by the failed writes that would have to be cut off.
  expect(log.lines.filter(({ message }) => message.startsWith('cut'))).toEqual([])
})
