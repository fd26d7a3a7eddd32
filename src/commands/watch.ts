/** Notices that files have changed, by looking: so it does not matter how they are changed, nor on which file system they are. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_EVERY_MS = 1_000

/**
 * Calls `changed`, and waits for it, whenever files, or files of folders, differ from the last time and have come to rest since: two
 * looks in a row must see the same. Resolves at the signal. `paths` is asked at every look; what is missing is no error.
 * `begun` is called after the first look: what it reads then is no older than what changes are told of from then on.
 */
export async function watchFiles(
  paths: () => readonly string[],
  changed: () => Promise<void>,
  signal: AbortSignal,
  every = LOOK_EVERY_MS,
  begun: () => Promise<void> = async () => undefined,
): Promise<void> {
  let known = await look(paths())
  await begun()
  let last = known
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
