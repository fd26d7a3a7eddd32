import { execFileSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EmbeddedDeployment } from './embedded.ts'
import { metric, readiness, unready, until } from './probe.ts'

const MIB = 1 << 20

/** A file system of 64 MiB; undefined where this machine does not let us mount one. */
function mountSmall(directory: string): (() => void) | undefined {
  try {
    execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  return () => execFileSync('/bin/umount', ['--lazy', directory])
}

/** Leaves `left` bytes of room; answers how to give the rest back. */
function fill(directory: string, left: number): () => void {
  const { bavail, bsize } = statfsSync(directory)
  const ballast = join(directory, 'ballast')
  writeFileSync(ballast, Buffer.alloc(bavail * bsize - left, 1))
  return () => rmSync(ballast)
}

test.for([
  { when: 'the worker is started again', stop: true, left: 1 * MIB },
  { when: 'the worker runs on', stop: false, left: 4 * MIB },
])(
  'a full disk is said; with room again nothing is lost: $when',
  { timeout: 300_000 },
  async ({ stop, left }, { skip }) => {
    let isSmall = false
    const deployment = await EmbeddedDeployment.create(500, (data) => {
      const unmount = mountSmall(data)
      isSmall = unmount !== undefined
      return unmount
    })
    if (!isSmall) return skip('a tmpfs of 64 MiB cannot be mounted here: needs root')
    await deployment.produce(60_000)
    const free = fill(deployment.data, left)
    const worker = await deployment.startWorker()
    await until(
      'readiness',
      () => unready(worker),
      (said) => /^w1: .*(no room left|No space left|Input\/output error)/.test(said),
    )
    expect((await readiness(worker)).code).toBe(503)
    expect(await metric(worker, 'millrace_dead_letters_total')).toBe(0)
    expect(worker.output.some((line) => line.includes('"code":"disk-full"'))).toBe(true)
    if (stop) await deployment.stopWorker()
    free()
    await deployment.expectExact()
  },
)
