/** One process per data directory. */
import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'

/**
 * Takes the directory for this process; answers how to let go. Where it is missing it is made for this user alone,
 * since what it will hold is about people. A lock whose process is gone is taken over. Throws `already-running` when another live process holds it. Says nothing of two takers
 * inside one process, and nothing of processes on another machine or in another container.
 */
export function lockDirectory(directory: string): () => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const lock = join(directory, 'lock')
  const mine = `${process.pid} ${bornAt(process.pid)} ${randomUUID()}\n`
  const draft = `${lock}.${randomUUID()}`
  // a link appears with its whole content, so nobody ever reads half a lock
  writeFileSync(draft, mine)
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (linked(draft, lock)) return () => release(lock, mine)
      const held = contentOf(lock)
      if (held === undefined) continue
      if (isAlive(held)) {
        throw new MillraceError('already-running', `process ${held.split(' ')[0]} holds ${directory}`)
      }
      removeStale(lock, held)
    }
  } finally {
    rmSync(draft, { force: true })
  }
  throw new MillraceError('already-running', `other processes are starting on ${directory}`)
}

function linked(draft: string, lock: string): boolean {
  try {
    linkSync(draft, lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Moved away before it is deleted: of two processes that found it stale, one alone can have moved that very lock. */
function removeStale(lock: string, stale: string): void {
  const aside = `${lock}.${randomUUID()}`
  try {
    renameSync(lock, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (contentOf(aside) !== stale) linked(aside, lock)
  rmSync(aside, { force: true })
}

function release(lock: string, mine: string): void {
  if (contentOf(lock) === mine) rmSync(lock, { force: true })
}

function isAlive(content: string): boolean {
  const [pid, born] = content.split(' ')
  const id = Number(pid)
  // our own pid: an earlier process of a container that was started again (this one would know its own lock)
  if (!Number.isInteger(id) || id <= 0 || id === process.pid) return false
  try {
    process.kill(id, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return bornAt(id) === born
}

/** Tells a process from a later one of the same pid, where the system says (Linux: ticks since boot); else '-'. */
function bornAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // the second field is the program's name in parentheses and may hold spaces
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-'
  } catch {
    return '-'
  }
}
