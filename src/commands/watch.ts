/** Notices that files have changed, by looking: so it does not matter how they are changed, nor on which file system they are. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_EVERY_MS = 1_000
/** Times of files are up to this much behind the clock. */
const TICK_MS = 20

/**
 * Calls `changed`, and waits for it, whenever files, or files of folders, differ from the last time and have come to rest since: two
 * looks in a row must see the same. Resolves at the signal. `paths` is asked at every look; what is missing is no error.
 * What was written since `since`, in ms of the wall clock, has changed too: the moment before the files were read.
 */
export async function watchFiles(
  paths: () => readonly string[],
  changed: () => Promise<void>,
  signal: AbortSignal,
  { since = Number.POSITIVE_INFINITY, every = LOOK_EVERY_MS }: { since?: number; every?: number } = {},
): Promise<void> {
  let last = await look(paths())
  let known = (await writtenSince(paths(), since - TICK_MS)) ? undefined : last
  for (;;) {
    await sleep(every, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    const now = await look(paths())
    if (now !== known && now === last) {
      known = now
      await changed()
    }
    last = now
  }
}

/** What there is to see of files without reading them; links are followed, as those of a mounted ConfigMap. */
async function look(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map((path) => lookAt(path, true)))).join('\n')
}

async function lookAt(path: string, isTop: boolean): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (!found) return `${path} -`
  if (found.isFile()) return `${path} ${found.ino} ${found.size} ${found.mtimeMs}`
  if (!isTop || !found.isDirectory()) return path
  const names = await readdir(path).catch(() => [])
  return (await Promise.all(names.sort().map((name) => lookAt(join(path, name), false)))).join('\n')
}

async function writtenSince(paths: readonly string[], since: number): Promise<boolean> {
  const within = await Promise.all(
    paths.map(async (path) => [path, ...(await readdir(path).catch(() => [])).map((name) => join(path, name))]),
  )
  const found = await Promise.all(within.flat().map((path) => stat(path).catch(() => undefined)))
  return found.some((each) => each !== undefined && each.ctimeMs >= since)
}
