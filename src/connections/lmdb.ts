/** LMDB for the embedded state and feature stores: one environment per path and process, shared by all who open it. */
import { statfsSync } from 'node:fs'
import { resolve } from 'node:path'
import type * as LmdbModule from 'lmdb'
import { MillraceError } from '../core/errors.ts'
import { lockDirectory } from './directory-lock.ts'

/** Keys are ordered by their bytes and at most 1,978 long. */
export type Entries = LmdbModule.RootDatabase<Buffer, Buffer>

export interface Lmdb {
  /** Reads what is committed; all that one job reads is of one moment. Throws `store-failed`. */
  read<T>(job: (entries: Entries) => T): T
  /**
   * Runs `job` in a write transaction; resolves with its answer once that is on the disk. Jobs waiting at the same
   * time share a transaction, so a job that refuses must throw its `MillraceError` before its first write. Any other
   * failure (`disk-full`, `store-failed`) undoes every job of the transaction.
   */
  write<T>(job: (entries: Entries) => T): Promise<T>
  /** Waits for the writes under way. The environment closes with its last user. */
  close(): Promise<void>
}

interface Shared extends Lmdb {
  users: number
  /** Set once the last user has left; resolves when the path may be opened again. */
  gone?: Promise<void>
}

const environments = new Map<string, Promise<Shared>>()

/**
 * `lmdb` is the module, which only the parts that use it load. Throws `already-running` when another process has the
 * path, `disk-full`, `store-failed`.
 */
export async function openLmdb(lmdb: typeof LmdbModule, path: string): Promise<Lmdb> {
  const directory = resolve(path)
  const shared = await environmentAt(lmdb, directory)
  shared.users++
  let left: Promise<void> | undefined
  const leave = async () => {
    if (--shared.users === 0) shared.gone = shared.close().finally(() => environments.delete(directory))
    await shared.gone
  }
  const stillOpen = () => {
    if (left) throw new MillraceError('store-failed', `${directory} is closed`)
  }
  return {
    read(job) {
      stillOpen()
      return shared.read(job)
    },
    async write(job) {
      stillOpen()
      return shared.write(job)
    },
    close() {
      left ??= leave()
      return left
    },
  }
}

async function environmentAt(lmdb: typeof LmdbModule, directory: string): Promise<Shared> {
  for (;;) {
    const found = environments.get(directory)
    if (!found) break
    const shared = await found
    if (!shared.gone) return shared
    await shared.gone
  }
  const opening = openEnvironment(lmdb, directory)
  environments.set(directory, opening)
  opening.catch(() => environments.delete(directory))
  return opening
}

async function openEnvironment(lmdb: typeof LmdbModule, directory: string): Promise<Shared> {
  const unlock = lockDirectory(directory)
  let entries: Entries
  try {
    // without `overlappingSync` a commit is on the disk when it returns, as plain LMDB has it
    entries = lmdb.open({ path: directory, encoding: 'binary', keyEncoding: 'binary', overlappingSync: false })
  } catch (error) {
    unlock()
    throw storeError(error, directory)
  }
  let waiting: Waiting[] = []
  let turn: Promise<void> | undefined

  const drain = () => {
    const group = waiting
    waiting = []
    turn = undefined
    let failure: MillraceError | undefined
    try {
      entries.transactionSync(() => {
        for (const one of group) one.run(entries)
      })
    } catch (error) {
      failure = storeError(error, directory)
    }
    for (const one of group) one.settle(failure)
  }

  return {
    users: 0,
    read(job) {
      try {
        return job(entries)
      } catch (error) {
        throw error instanceof MillraceError ? error : storeError(error, directory)
      }
    },
    write(job) {
      const { one, settled } = wait(job)
      waiting.push(one)
      turn ??= new Promise((done) => {
        setImmediate(() => {
          drain()
          done()
        })
      })
      return settled
    },
    async close() {
      await turn
      await entries.close()
      unlock()
    },
  }
}

interface Waiting {
  run(entries: Entries): void
  settle(failure: MillraceError | undefined): void
}

/** A job in the queue: what became of it is told only when its transaction has ended. */
function wait<T>(job: (entries: Entries) => T): { one: Waiting; settled: Promise<T> } {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  let answered: (() => void) | undefined
  return {
    settled: promise,
    one: {
      run(entries) {
        try {
          const answer = job(entries)
          answered = () => resolve(answer)
        } catch (error) {
          if (!(error instanceof MillraceError)) throw error
          answered = () => reject(error)
        }
      },
      settle(failure) {
        if (failure) reject(failure)
        else answered?.()
      },
    },
  }
}

const MAP_FULL = -30792
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT', 'EFBIG', 28, 122, 27, MAP_FULL])
const EIO = 5
/** A full device cuts a write short, which LMDB reports as EIO; then at most this is left. */
const NO_ROOM = 16 * 1024 * 1024

function storeError(error: unknown, directory: string): MillraceError {
  const { code, message } = error as { code?: unknown; message?: string }
  const full = FULL.has(code) || (code === EIO && freeBytes(directory) < NO_ROOM)
  return new MillraceError(full ? 'disk-full' : 'store-failed', `${directory}: ${message ?? error}`, { cause: error })
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
