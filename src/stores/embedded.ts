import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { z } from 'zod'
import { type Entries, type Lmdb, openLmdb } from '../connections/lmdb.ts'
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { featureJson } from '../core/feature-json.ts'
import type {
  Emission,
  FeatureRecord,
  FeatureStore,
  FeatureValue,
  FeatureWrite,
  TaskId,
  Value,
  Version,
} from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { readValue, storable, writeValue } from '../core/values.ts'
import { compareVersions } from '../core/version.ts'

const config = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('.millrace/features')
    .describe('Folder of the database, relative to the configuration file. Made where it is missing.'),
})

const part: Part<z.infer<typeof config>, FeatureStore> = {
  summary: 'Features on this machine: an LMDB database, written and read by one process.',
  config,
  example: 'store:\n  kind: embedded\n  path: .millrace/features\n',
  notes: `A write is on the disk before it resolves; reads are of memory. A second process on the folder is refused
(\`already-running\`). The version of a forgotten entity is kept for a day or longer. A number that is not finite
counts as null.`,
  open: async ({ path }, context) =>
    new EmbeddedFeatureStore(await openLmdb(await import('lmdb'), resolve(context.directory, path))),
}
export default part

/*
 * Layout, apart from that of the embedded state so that both may share a folder.
 *   16 <namespace> 0 <id>        record
 *   17 <namespace> 0 <task>      mark: a version
 *   18 <topology>                alias: generation, namespace
 *   19 <time> <key of a record>  when a forgotten entity's version may go, and that version
 * What follows the first byte is replaced by its SHA-256 when it would pass LMDB's limit.
 */
const RECORD = 16
const MARK = 17
const ALIAS = 18
const FORGOTTEN = 19
const LONGEST = 1024
const TEXT = 1
const LIST = 2
/** How long the version of a forgotten entity stays, to refuse what an old worker may still say of it. */
const FORGOTTEN_MS = 24 * 60 * 60 * 1000
/** So that a write stays short after a day on which many were forgotten; each write forgets fewer than this. */
const SWEPT_PER_WRITE = 2000

class EmbeddedFeatureStore implements FeatureStore {
  private readonly lmdb: Lmdb

  constructor(lmdb: Lmdb) {
    this.lmdb = lmdb
  }

  write(write: FeatureWrite): Promise<'written' | 'behind'> {
    const { task, said } = write.batch
    return this.lmdb.write((entries) => {
      const mark = markOf(entries, write.namespace, task)
      if (said && (!mark || compareVersions(mark, said) < 0)) return 'behind'
      put(entries, write)
      return 'written'
    })
  }

  async mark(namespace: string, task: TaskId): Promise<Version | undefined> {
    return this.lmdb.read((entries) => markOf(entries, namespace, task))
  }

  async read(namespace: string, ids: readonly string[]): Promise<(FeatureRecord | undefined)[]> {
    return this.lmdb.read((entries) =>
      ids.map((id) => {
        const found = entries.getBinary(keyOf(RECORD, namespace, id))
        return found && decodeRecord(found)
      }),
    )
  }

  async readJson(namespace: string, ids: readonly string[], names: readonly string[]) {
    const records = await this.read(namespace, ids)
    return records.map((record) => record && featureJson(record, names))
  }

  async alias(topology: string): Promise<string | undefined> {
    return this.lmdb.read((entries) => aliasOf(entries, topology)?.namespace)
  }

  moveAlias(topology: string, namespace: string, generation: number): Promise<void> {
    return this.lmdb.write((entries) => {
      const stands = aliasOf(entries, topology)
      if (stands && stands.generation >= generation) return
      const to = new ByteWriter()
      to.varint(generation)
      to.text(namespace)
      entries.putSync(keyOf(ALIAS, topology), to.take())
    })
  }

  async forget(namespace: string): Promise<void> {
    const [topology = ''] = namespace.split('@')
    await this.lmdb.write((entries) => {
      if (aliasOf(entries, topology)?.namespace === namespace) entries.removeSync(keyOf(ALIAS, topology))
    })
    for (const kind of [RECORD, MARK]) while (await this.lmdb.write((entries) => removeSome(entries, kind, namespace)));
  }

  close(): Promise<void> {
    return this.lmdb.close()
  }
}

function put(entries: Entries, { namespace, names, batch }: FeatureWrite): void {
  for (const emission of batch.emissions) {
    const at = keyOf(RECORD, namespace, emission.key)
    const stands = entries.getBinary(at)
    if (stands && compareVersions(batch.version, decodeVersion(new ByteReader(stands))) < 0) continue
    entries.putSync(at, encodeRecord(batch.version, names, emission))
    if (!emission.values) entries.putSync(forgottenKey(Date.now() + FORGOTTEN_MS, at), encodeVersion(batch.version))
  }
  sweep(entries)
  if (batch.partial) return
  const mark = markOf(entries, namespace, batch.task)
  if (mark && compareVersions(mark, batch.version) >= 0) return
  entries.putSync(keyOf(MARK, namespace, batch.task), encodeVersion(batch.version))
}

/** False when there were none. Ids too long to be told by their key stay: nobody asks for them any more. */
function removeSome(entries: Entries, kind: number, namespace: string): boolean {
  const [start, end] = [`${namespace}\0`, `${namespace}\u0001`].map((text) => keyOf(kind, text)) as [Buffer, Buffer]
  const keys = [...entries.getKeys({ start, end, limit: SWEPT_PER_WRITE })]
  for (const key of keys) entries.removeSync(key)
  return keys.length > 0
}

/** Removes versions of entities forgotten long ago, unless something was said of them since. */
function sweep(entries: Entries): void {
  const range = { start: forgottenKey(0), end: forgottenKey(Date.now()), limit: SWEPT_PER_WRITE }
  for (const { key, value } of Array.from(entries.getRange(range))) {
    const at = key.subarray(9)
    if (entries.getBinary(at)?.equals(value)) entries.removeSync(at)
    entries.removeSync(key)
  }
}

function forgottenKey(time: number, record: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.allocUnsafe(9)
  head[0] = FORGOTTEN
  head.writeDoubleBE(time, 1)
  return Buffer.concat([head, record])
}

function markOf(entries: Entries, namespace: string, task: TaskId): Version | undefined {
  const found = entries.getBinary(keyOf(MARK, namespace, task))
  return found && decodeVersion(new ByteReader(found))
}

function aliasOf(entries: Entries, topology: string): { generation: number; namespace: string } | undefined {
  const found = entries.getBinary(keyOf(ALIAS, topology))
  if (!found) return undefined
  const from = new ByteReader(found)
  return { generation: from.varint(), namespace: from.text() }
}

function keyOf(kind: number, ...parts: string[]): Buffer {
  const text = Buffer.from(parts.join('\0'))
  const rest = text.length <= LONGEST ? text : createHash('sha256').update(text).digest()
  return Buffer.concat([Buffer.from([kind]), rest])
}

const shared = new ByteWriter()

function encodeVersion({ generation, epoch, step }: Version): Buffer {
  shared.varint(generation)
  shared.varint(epoch)
  shared.varint(step)
  return shared.take()
}

function decodeVersion(from: ByteReader): Version {
  return { generation: from.varint(), epoch: from.varint(), step: from.varint() }
}

/** A forgotten entity keeps its version alone. */
function encodeRecord(version: Version, names: readonly string[], { at, values }: Emission): Buffer {
  const head = encodeVersion(version)
  if (!values) return head
  shared.bytes(head)
  shared.double(at)
  for (const [i, name] of names.entries()) {
    const value = storable(values[i])
    if (value === undefined) continue
    shared.text(name)
    if (typeof value === 'number') shared.double(value)
    else encodeOther(value)
  }
  return shared.take()
}

/** A text is a NaN, 1 and the text; a list a NaN, 2, how many there are and each of them. */
function encodeOther(value: string | readonly Value[]): void {
  shared.double(Number.NaN)
  shared.byte(typeof value === 'string' ? TEXT : LIST)
  if (typeof value === 'string') shared.text(value)
  else {
    shared.varint(value.length)
    for (const item of value) writeValue(item, shared)
  }
}

function decodeValue(from: ByteReader): NonNullable<FeatureValue> {
  const number = from.double()
  if (!Number.isNaN(number)) return number
  const kind = from.byte()
  if (kind === TEXT) return from.text()
  if (kind !== LIST) throw new RangeError(`no value of kind ${kind}`)
  return Array.from({ length: from.varint() }, () => readValue(from)) as string[]
}

function decodeRecord(bytes: Buffer): FeatureRecord | undefined {
  const from = new ByteReader(bytes)
  const version = decodeVersion(from)
  if (from.left === 0) return undefined
  const at = from.double()
  const values: Record<string, NonNullable<FeatureValue>> = {}
  while (from.left > 0) values[from.text()] = decodeValue(from)
  return { at, version, values }
}
