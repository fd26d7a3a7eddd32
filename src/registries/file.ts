import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { z } from 'zod'
import { MillraceError } from '../core/errors.ts'
import { canonicalJson } from '../core/fingerprint.ts'
import type { Registry } from '../core/model.ts'
import type { Log, Part } from '../core/part.ts'
import { mismatch } from '../core/resolution.ts'
import { parseSchema, SchemaError } from '../core/schema.ts'

const config = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('schemas')
    .describe('Folder of your schemas, `<topic>.avsc` each, relative to the project directory.'),
  index: z
    .string()
    .min(1)
    .default('.millrace/registry.json')
    .describe('File in which ids, earlier versions and derived schemas are kept. Made where it is missing.'),
})
type Config = z.output<typeof config>

const part: Part<Config, Registry> = {
  summary: 'Schemas in files of this machine, one `<topic>.avsc` per topic.',
  config,
  example: 'registry:\n  kind: file\n  path: schemas\n  index: .millrace/registry.json\n',
  notes: `The subject of a file is its name and \`-value\`: \`schemas/orders.avsc\` is \`orders-value\`. A schema's id follows
from its content (not from its layout or the order of its keys), so it is the same on every machine and after the index
is lost. An edited file is a new version, taken up when its subject is next asked for; what was written with the
versions before stays readable. Schemas registered by topologies are kept in the index, never in your folder, and must be
able to read what the version before wrote (BACKWARD). Types are not shared between files.`,
  open: ({ path, index }, { directory, log }) =>
    new FileRegistry(resolve(directory, path), resolve(directory, index), directory, log),
}
export default part

interface Index {
  /** Schemas by id. */
  readonly schemas: Record<string, unknown>
  /** Ids of a subject's versions, the newest last. */
  readonly subjects: Record<string, number[]>
}

class FileRegistry implements Registry {
  private readonly folder: string
  private readonly file: string
  private readonly directory: string
  private readonly log: Log
  private index: Index

  constructor(folder: string, file: string, directory: string, log: Log) {
    this.folder = folder
    this.file = file
    this.directory = directory
    this.log = log
    this.index = this.load()
    this.takeUp(this.subjectsOfFiles())
  }

  async schema(id: number): Promise<unknown> {
    if (!Object.hasOwn(this.index.schemas, id)) {
      // another process, or an editor, may have added it
      this.index = this.load()
      this.takeUp(this.subjectsOfFiles())
    }
    if (Object.hasOwn(this.index.schemas, id)) return this.index.schemas[id]
    throw new MillraceError('schema-unknown', `there is no schema ${id} in ${this.shown(this.folder)}`)
  }

  async latest(subject: string): Promise<{ readonly id: number; readonly schema: unknown } | undefined> {
    this.takeUp([subject])
    const id = this.newest(subject)
    return id === undefined ? undefined : { id, schema: this.index.schemas[id] }
  }

  async register(subject: string, schema: unknown): Promise<number> {
    const found = validated(schema, 'schema-incompatible', `the schema for ${subject}`)
    this.index = this.load()
    this.takeUp([subject])
    const before = this.newest(subject)
    if (before !== undefined && canonicalJson(this.index.schemas[before]) === canonicalJson(schema)) return before
    const fault =
      this.declared(subject) !== undefined
        ? `${this.shown(this.fileOf(subject))} declares another`
        : before !== undefined && mismatch(parseSchema(this.index.schemas[before]), found, 'all')
    if (fault) throw new MillraceError('schema-incompatible', `the schema for ${subject} is refused: ${fault}`)
    const id = this.add(subject, schema)
    this.save()
    return id
  }

  async close(): Promise<void> {
    this.index = { schemas: {}, subjects: {} }
  }

  private newest(subject: string): number | undefined {
    return Object.hasOwn(this.index.subjects, subject) ? this.index.subjects[subject]?.at(-1) : undefined
  }

  /** Makes what stands in the files of these subjects their newest version. */
  private takeUp(subjects: readonly string[]): void {
    const changed = subjects.filter((subject) => {
      const schema = this.declared(subject)
      if (schema === undefined) return false
      const before = this.newest(subject)
      if (before !== undefined && canonicalJson(this.index.schemas[before]) === canonicalJson(schema)) return false
      const found = validated(schema, 'config-invalid', this.shown(this.fileOf(subject)))
      const fault = before === undefined ? undefined : mismatch(parseSchema(this.index.schemas[before]), found, 'all')
      if (fault !== undefined)
        this.log.warn({ subject, reason: fault }, 'the schema cannot read all that the version before it wrote')
      this.add(subject, schema)
      return true
    })
    if (changed.length > 0) this.save()
  }

  private add(subject: string, schema: unknown): number {
    const text = canonicalJson(schema)
    let id = createHash('sha256').update(text).digest().readUInt32BE(0) >>> 1
    while (Object.hasOwn(this.index.schemas, id) && canonicalJson(this.index.schemas[id]) !== text) id++
    this.index.schemas[id] = schema
    const versions = Object.hasOwn(this.index.subjects, subject) ? (this.index.subjects[subject] ?? []) : []
    this.index.subjects[subject] = [...versions.filter((version) => version !== id), id]
    return id
  }

  private subjectsOfFiles(): string[] {
    try {
      const names = readdirSync(this.folder).filter((name) => name.endsWith('.avsc'))
      return names.sort().map((name) => `${name.slice(0, -'.avsc'.length)}-value`)
    } catch (error) {
      if (isMissing(error)) return []
      throw this.failed('read', this.folder, error)
    }
  }

  private fileOf(subject: string): string {
    return join(this.folder, `${subject.replace(/-value$/, '')}.avsc`)
  }

  /** What the file of a subject says; undefined when it has none. */
  private declared(subject: string): unknown {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*-value$/.test(subject)) return undefined
    const file = this.fileOf(subject)
    const text = this.text(file)
    if (text === undefined) return undefined
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new MillraceError('config-invalid', `${this.shown(file)} is not JSON: ${(error as Error).message}`)
    }
  }

  private load(): Index {
    const text = this.text(this.file)
    if (text === undefined) return { schemas: {}, subjects: {} }
    try {
      const { schemas, subjects } = JSON.parse(text) as Index
      if (typeof schemas === 'object' && typeof subjects === 'object') return { schemas, subjects }
    } catch (error) {
      throw this.failed('read', this.file, error)
    }
    throw this.failed('read', this.file, new Error('it is no index of schemas'))
  }

  /** Written beside and renamed: whatever happens, a whole index stands there. */
  private save(): void {
    const draft = `${this.file}.${randomUUID()}`
    try {
      mkdirSync(dirname(this.file), { recursive: true })
      const descriptor = openSync(draft, 'w')
      try {
        writeSync(descriptor, `${JSON.stringify(this.index, undefined, 1)}\n`)
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      renameSync(draft, this.file)
    } catch (error) {
      rmSync(draft, { force: true })
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
        throw new MillraceError('disk-full', `${this.shown(this.file)} cannot be written`, { cause: error })
      throw this.failed('write', this.file, error)
    }
  }

  private text(file: string): string | undefined {
    try {
      return readFileSync(file, 'utf8')
    } catch (error) {
      if (isMissing(error)) return undefined
      throw this.failed('read', file, error)
    }
  }

  private failed(verb: string, path: string, cause: unknown): MillraceError {
    const { message } = cause as Error
    return new MillraceError('registry-failed', `cannot ${verb} ${this.shown(path)}: ${message}`, { cause })
  }

  private shown(path: string): string {
    return relative(this.directory, path)
  }
}

function validated(schema: unknown, code: 'config-invalid' | 'schema-incompatible', what: string) {
  try {
    return parseSchema(schema)
  } catch (error) {
    if (error instanceof SchemaError) throw new MillraceError(code, `${what} is wrong: ${error.message}`)
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
