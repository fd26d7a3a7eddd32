import { createHash, randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { z } from 'zod'
import { type Entries, type Lmdb, openLmdb } from '../connections/lmdb.ts'
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { ClearStop, Fenced } from '../core/errors.ts'
import type { Millis, OpenState, Position, State, StateChange, TaskId } from '../core/model.ts'
import type { Part } from '../core/part.ts'

const config = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('.millrace/state')
    .describe('Folder of the database, relative to the configuration file. Made where it is missing.'),
})

const part: Part<z.infer<typeof config>, State> = {
  summary: 'State on this machine: an LMDB database used by one process at a time.',
  config,
  example: 'state:\n  kind: embedded\n  path: .millrace/state\n',
  notes: `A commit is on the disk (fsync) before it resolves. Commits that wait at the same time share one sync, and the
process does nothing else while it lasts. A full device is a \`disk-full\` error: nothing is lost, and once there is room
the next commit succeeds. The folder grows as needed and never shrinks; what is freed inside is used again. A second
process on the folder is refused (\`already-running\`); the lock of a process that died is taken over. Not for network
file systems, nor for one folder mounted into several containers.`,
  open: async ({ path }, context) =>
    new EmbeddedState(await openLmdb(await import('lmdb'), resolve(context.directory, path))),
}
export default part

/*
 * Layout; numbers are big-endian, so that bytes sort as the numbers do. <task> is a number given at the first open.
 *   1 <name of the task>           claim
 *   2                              last number given to a task
 *   3 <task> <name>                bytes of a key
 *   4 <task> <name>                when the key is due
 *   5 <task> <due> <name>          the same the other way round: the order in which keys are due
 * A name is 0 and the key itself; when that would pass LMDB's limit, 1 and its SHA-256, with the key kept in the value.
 */
const CLAIM = 1
const LAST_NUMBER = Buffer.from([2])
const VALUE = 3
const DUE = 4
const TIMER = 5
const LONGEST_NAME = 1024
const SCAN_PAGE = 500
const NOTHING = Buffer.alloc(0)

interface Claim {
  readonly number: number
  readonly epoch: number
  readonly token: string
  readonly commits: number
  readonly position: Position | undefined
  readonly meta: Uint8Array
}

class EmbeddedState implements State {
  private readonly lmdb: Lmdb

  constructor(lmdb: Lmdb) {
    this.lmdb = lmdb
  }

  open(task: TaskId): Promise<OpenState> {
    return this.lmdb.write((entries) => {
      const last = claimOf(entries, task) ?? newClaim(entries)
      const claim = { ...last, epoch: Math.max(last.epoch + 1, Date.now()), token: randomUUID() }
      entries.putSync(claimKey(task), encodeClaim(claim))
      const { number, ...shown } = claim
      return { task, ...shown, nextDue: firstDue(entries, number) }
    })
  }

  async read(open: OpenState, keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return this.lmdb.read((entries) => {
      const { number } = heldClaim(entries, open)
      return keys.map((key) => {
        const name = nameOf(key)
        const found = entries.getBinary(entryKey(VALUE, number, name))
        return found && withoutKey(name, found)
      })
    })
  }

  async commit(open: OpenState, change: StateChange): Promise<void> {
    open.nextDue = await this.lmdb.write((entries) => {
      const claim = heldClaim(entries, open)
      if (claim.commits !== open.commits) throw new Fenced('somebody else committed')
      const { position, meta } = change
      const bytes = encodeClaim({ ...claim, commits: claim.commits + 1, position, meta })
      for (const [key, value] of change.keys ?? []) writeValue(entries, claim.number, key, value)
      for (const [key, due] of change.timers ?? []) writeTimer(entries, claim.number, key, due)
      entries.putSync(claimKey(open.task), bytes)
      return firstDue(entries, claim.number)
    })
    open.commits++
    open.position = change.position
    open.meta = change.meta
  }

  async due(open: OpenState, until: Millis, limit: number): Promise<string[]> {
    return this.lmdb.read((entries) => {
      const { number } = heldClaim(entries, open)
      const start = entryKey(TIMER, number, NOTHING)
      const end = Buffer.concat([start, sortable(until), Buffer.from([255])])
      const range = entries.getRange({ start, end, limit })
      return Array.from(range, ({ key, value }) => keyFrom(key.subarray(13), value))
    })
  }

  async *scan(open: OpenState): AsyncGenerator<[string, Uint8Array][]> {
    let after: Buffer | undefined
    do {
      const page = this.lmdb.read((entries) => {
        const { number } = heldClaim(entries, open)
        const start = after ? Buffer.concat([after, Buffer.alloc(1)]) : entryKey(VALUE, number, NOTHING)
        return [...entries.getRange({ start, end: entryKey(VALUE, number + 1, NOTHING), limit: SCAN_PAGE })]
      })
      after = page.at(-1)?.key
      if (after)
        yield page.map(({ key, value }) => [keyFrom(key.subarray(5), value), withoutKey(key.subarray(5), value)])
    } while (after)
  }

  async check(open: OpenState): Promise<void> {
    const { commits } = this.lmdb.read((entries) => heldClaim(entries, open))
    if (commits !== open.commits) throw new Fenced('somebody else committed')
  }

  async forget(task: TaskId): Promise<void> {
    const number = await this.lmdb.write((entries) => {
      const claim = claimOf(entries, task)
      entries.removeSync(claimKey(task))
      return claim?.number
    })
    if (number === undefined) return
    // nobody finds them any more; a few at a time, so that others can write in between
    for (const kind of [VALUE, DUE, TIMER])
      while (await this.lmdb.write((entries) => removeSome(entries, kind, number)));
  }

  close(): Promise<void> {
    return this.lmdb.close()
  }
}

/** False when there were none. */
function removeSome(entries: Entries, kind: number, number: number): boolean {
  const range = { start: entryKey(kind, number, NOTHING), end: entryKey(kind, number + 1, NOTHING), limit: SCAN_PAGE }
  const keys = [...entries.getKeys(range)]
  for (const key of keys) entries.removeSync(key)
  return keys.length > 0
}

function heldClaim(entries: Entries, open: OpenState): Claim {
  const claim = claimOf(entries, open.task)
  if (claim?.token !== open.token) throw new Fenced()
  return claim
}

function newClaim(entries: Entries): Claim {
  const last = entries.getBinary(LAST_NUMBER)
  const number = (last?.readUInt32BE() ?? 0) + 1
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  entries.putSync(LAST_NUMBER, bytes)
  return { number, epoch: 0, token: '', commits: 0, position: undefined, meta: NOTHING }
}

const CLAIM_VERSION = 1

function encodeClaim(claim: Claim): Buffer {
  const to = new ByteWriter(claim.meta.length + 80)
  to.byte(CLAIM_VERSION)
  to.varint(claim.number)
  to.varint(claim.epoch)
  to.text(claim.token)
  to.varint(claim.commits)
  to.varint(claim.position === undefined ? 0 : claim.position + 1)
  to.block(claim.meta)
  return to.take()
}

function claimOf(entries: Entries, task: TaskId): Claim | undefined {
  const bytes = entries.getBinary(claimKey(task))
  if (!bytes) return undefined
  try {
    return decodeClaim(new ByteReader(bytes))
  } catch (error) {
    throw new ClearStop('state-unreadable', `state of ${task}: ${(error as RangeError).message}`)
  }
}

function decodeClaim(from: ByteReader): Claim {
  const version = from.byte()
  if (version !== CLAIM_VERSION) throw new RangeError(`it has version ${version}, known is ${CLAIM_VERSION}`)
  const number = from.varint()
  const epoch = from.varint()
  const token = from.text()
  const commits = from.varint()
  const next = from.varint()
  return { number, epoch, token, commits, position: next === 0 ? undefined : next - 1, meta: from.block() }
}

function writeValue(entries: Entries, number: number, key: string, value: Uint8Array | null): void {
  const name = nameOf(key)
  const at = entryKey(VALUE, number, name)
  if (value) entries.putSync(at, withKey(name, key, value))
  else entries.removeSync(at)
}

function writeTimer(entries: Entries, number: number, key: string, due: Millis): void {
  const name = nameOf(key)
  const at = entryKey(DUE, number, name)
  const before = entries.getBinary(at)
  const bytes = due === Number.POSITIVE_INFINITY ? undefined : sortable(due)
  if (before && bytes?.equals(before)) return
  if (before) entries.removeSync(timerKey(number, before, name))
  if (!bytes) {
    if (before) entries.removeSync(at)
    return
  }
  entries.putSync(at, bytes)
  entries.putSync(timerKey(number, bytes, name), withKey(name, key, NOTHING))
}

function firstDue(entries: Entries, number: number): Millis {
  const start = entryKey(TIMER, number, NOTHING)
  const [first] = entries.getKeys({ start, end: entryKey(TIMER, number + 1, NOTHING), limit: 1 })
  return first ? fromSortable(first.subarray(5, 13)) : Number.POSITIVE_INFINITY
}

function claimKey(task: TaskId): Buffer {
  return Buffer.concat([Buffer.from([CLAIM]), nameOf(task)])
}

function entryKey(kind: number, number: number, name: Buffer): Buffer {
  const key = Buffer.allocUnsafe(5 + name.length)
  key[0] = kind
  key.writeUInt32BE(number, 1)
  name.copy(key, 5)
  return key
}

function timerKey(number: number, due: Buffer, name: Buffer): Buffer {
  return entryKey(TIMER, number, Buffer.concat([due, name]))
}

function nameOf(key: string): Buffer {
  const length = Buffer.byteLength(key)
  if (length > LONGEST_NAME) return Buffer.concat([Buffer.from([1]), createHash('sha256').update(key).digest()])
  const name = Buffer.allocUnsafe(1 + length)
  name[0] = 0
  name.write(key, 1)
  return name
}

const isHash = (name: Buffer) => name[0] === 1

function withKey(name: Buffer, key: string, value: Uint8Array): Buffer {
  if (!isHash(name)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const to = new ByteWriter(key.length + value.length + 8)
  to.text(key)
  to.bytes(value)
  return to.take()
}

function withoutKey(name: Buffer, stored: Buffer): Buffer {
  if (!isHash(name)) return stored
  const from = new ByteReader(stored)
  from.block()
  return from.bytes(from.left)
}

function keyFrom(name: Buffer, stored: Buffer): string {
  return isHash(name) ? new ByteReader(stored).text() : name.toString('utf8', 1)
}

/** Eight bytes that sort as the numbers do: the sign flipped, and all of a negative number's bits. */
function sortable(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeDoubleBE(value + 0)
  flip(bytes, (bytes[0] as number) >= 128)
  return bytes
}

function fromSortable(bytes: Buffer): number {
  const copy = Buffer.from(bytes)
  flip(copy, (copy[0] as number) < 128)
  return copy.readDoubleBE()
}

function flip(bytes: Buffer, all: boolean): void {
  if (!all) bytes[0] = (bytes[0] as number) ^ 128
  else for (let i = 0; i < 8; i++) bytes[i] = (bytes[i] as number) ^ 255
}
