import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as lmdb from 'lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLmdb } from '../../src/connections/lmdb.ts'
import { Fenced } from '../../src/core/errors.ts'

const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'ignore' })
const key = (text: string) => Buffer.from(text)

describe('an LMDB environment', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-lmdb-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('is one for all who open its path in this process, and closes with the last', async () => {
    const [first, second] = await Promise.all([openLmdb(lmdb, directory), openLmdb(lmdb, directory)])
    await first.write((entries) => entries.putSync(key('a'), key('1')))
    expect(String(second.read((entries) => entries.getBinary(key('a'))))).toBe('1')
    await first.close()
    await first.close()
    expect(() => first.read(() => 0)).toThrow('is closed')
    await expect(first.write(() => 0)).rejects.toMatchObject({ code: 'store-failed' })
    expect(String(second.read((entries) => entries.getBinary(key('a'))))).toBe('1')
    const closing = second.close()
    const third = await openLmdb(lmdb, directory)
    await closing
    expect(String(third.read((entries) => entries.getBinary(key('a'))))).toBe('1')
    await third.close()
  })

  it('finishes the writes that wait before it closes', async () => {
    const first = await openLmdb(lmdb, directory)
    const written = first.write((entries) => entries.putSync(key('a'), key('1')))
    await first.close()
    await written
    const second = await openLmdb(lmdb, directory)
    expect(String(second.read((entries) => entries.getBinary(key('a'))))).toBe('1')
    await second.close()
  })

  it('refuses one of the jobs that share a transaction without touching the others', async () => {
    const environment = await openLmdb(lmdb, directory)
    const put = (name: string) => environment.write((entries) => entries.putSync(key(name), key(name)))
    const refused = environment.write(() => {
      throw new Fenced()
    })
    const ends = await Promise.allSettled([put('a'), refused, put('b')])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(environment.read((entries) => entries.getCount())).toBe(2)
    await environment.close()
  })

  it('undoes all jobs of a transaction that fails, and works on', async () => {
    const environment = await openLmdb(lmdb, directory)
    const put = (name: string) => environment.write((entries) => entries.putSync(key(name), key(name)))
    const ends = await Promise.allSettled([put('a'), put('x'.repeat(2000)), put('b')])
    expect(ends).toMatchObject(Array(3).fill({ status: 'rejected', reason: { code: 'store-failed' } }))
    expect(environment.read((entries) => entries.getCount())).toBe(0)
    await put('c')
    expect(environment.read((entries) => entries.getCount())).toBe(1)
    await environment.close()
  })

  it('is refused while another process has it, and taken over with all it committed once that was killed', async () => {
    const other = fork(new URL('./lmdb-writer.ts', import.meta.url), [directory])
    await once(other, 'message')
    await expect(openLmdb(lmdb, directory)).rejects.toMatchObject({
      code: 'already-running',
      message: expect.stringContaining(`process ${other.pid} holds`),
    })
    const told = new Promise<number>((resolve) => {
      let last = 0
      other.on('message', (count: number) => {
        last = count
        if (count === 50) other.kill('SIGKILL')
      })
      other.on('exit', () => resolve(last))
    })
    const confirmed = await told
    const environment = await openLmdb(lmdb, directory)
    const found = environment.read((entries) => entries.getCount())
    // ten keys to a transaction: none in part, and none missing that was confirmed
    expect(found % 10).toBe(0)
    expect(found).toBeGreaterThanOrEqual(confirmed * 10)
    await environment.close()
  })
})

const canMount = (() => {
  try {
    run('unshare', '--mount', 'true')
    return process.platform === 'linux'
  } catch {
    return false
  }
})()

describe('a full device', () => {
  // needs a small file system of its own, which only Linux lets root make
  it.runIf(canMount)('is `disk-full`; nothing is lost, and once there is room it works on', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-full-'))
    run('mount', '-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', directory)
    try {
      const environment = await openLmdb(lmdb, join(directory, 'data'))
      const put = (batch: number) =>
        environment.write((entries) => {
          for (let i = 0; i < 100; i++) entries.putSync(key(`${batch}/${i}`), Buffer.alloc(450, batch))
        })
      await writeFile(join(directory, 'ballast'), Buffer.alloc(3 << 20))
      let written = 0
      const fill = async () => {
        for (; written < 200; written++) await put(written)
      }
      await expect(fill()).rejects.toMatchObject({ code: 'disk-full' })
      expect(written).toBeGreaterThan(0)
      expect(environment.read((entries) => entries.getCount())).toBe(written * 100)
      await rm(join(directory, 'ballast'))
      await put(written)
      expect(environment.read((entries) => entries.getCount())).toBe(written * 100 + 100)
      const last = environment.read((entries) => entries.getBinary(key(`${written}/99`)))
      expect(last).toEqual(Buffer.alloc(450, written))
      await environment.close()
    } finally {
      run('umount', '--lazy', directory)
      await rm(directory, { recursive: true })
    }
  })
})
