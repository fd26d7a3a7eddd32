/** Makes values of data: what a writer's type says, as the reader's type wants it. */
import { mismatch, optionFor, sourceOf } from '../../core/resolution.ts'
import { type AvroType, branchOf, type EnumType, type RecordType } from '../../core/schema.ts'
import type { Cursor } from './cursor.ts'
import { defaultOf } from './default.ts'
import { DAY_MS, decimalOf, isTime, unitOf } from './numbers.ts'
import { asOne, type Move, Skipper } from './skip.ts'
import { repeatedText } from './text.ts'

export type Read = (cursor: Cursor) => unknown

/** Throws an Error that says why, when the writer's data can never be read as `reader`. */
export function compileRead(writer: RecordType, reader: RecordType): Read {
  return new Compiler().read(writer, reader)
}

class Compiler {
  private readonly skipper = new Skipper()
  /** By writer's, then reader's record; undefined while being made: a recursive schema comes back to it. */
  private readonly records = new Map<RecordType, Map<RecordType, Read | undefined>>()

  read(writer: AvroType, reader: AvroType): Read {
    const fault = mismatch(writer, reader, 'some')
    if (fault !== undefined) throw new Error(fault)
    return this.fitting(writer, reader)
  }

  private fitting(writer: AvroType, reader: AvroType): Read {
    if (writer.kind === 'union') return this.union(writer.options, reader)
    if (reader.kind === 'union') return this.fitting(writer, optionFor(writer, reader.options) as AvroType)
    if (writer.kind === 'record' && reader.kind === 'record') return this.record(writer, reader)
    if (writer.kind === 'array' && reader.kind === 'array') return list(this.fitting(writer.items, reader.items))
    if (writer.kind === 'map' && reader.kind === 'map') return dictionary(this.fitting(writer.items, reader.items))
    if (writer.kind === 'enum' && reader.kind === 'enum') return symbol(writer, reader)
    return scalar(writer, reader)
  }

  private union(options: readonly AvroType[], reader: AvroType): Read {
    const reads = options.map((option): Read => {
      const fault = mismatch(option, reader, 'some')
      if (fault === undefined) return this.fitting(option, reader)
      return (cursor) => {
        throw cursor.unfit(fault)
      }
    })
    return (cursor) => {
      const index = cursor.long()
      const read = reads[index]
      if (!read) throw cursor.malformed(`option ${index} of a union of ${reads.length}`)
      return read(cursor)
    }
  }

  private record(writer: RecordType, reader: RecordType): Read {
    const known = this.records.get(writer) ?? new Map<RecordType, Read | undefined>()
    this.records.set(writer, known)
    const made = known.get(reader)
    if (made) return made
    if (known.has(reader)) return recursive(() => known.get(reader) as Read)
    known.set(reader, undefined)
    const read = this.construct(writer, reader)
    known.set(reader, read)
    return read
  }

  private construct(writer: RecordType, reader: RecordType): Read {
    const targets = new Map(reader.fields.map((field) => [sourceOf(field, writer), field]))
    const steps: { readonly name?: string; readonly run: Read }[] = []
    let skipped: Move[] = []
    const skip = () => {
      if (skipped.some((move) => move !== 0)) steps.push({ run: asOne(skipped) })
      skipped = []
    }
    for (const field of writer.fields) {
      const target = targets.get(field)
      if (!target) skipped.push(...this.skipper.moves(field.type))
      else {
        skip()
        steps.push({ name: target.name, run: this.fitting(field.type, target.type) })
      }
    }
    skip()
    const unwritten = reader.fields.filter((field) => takesNothing(sourceOf(field, writer)?.type)).length
    if (unwritten > 0) steps.push({ run: (cursor) => cursor.unwritten(unwritten) })
    for (const field of reader.fields) {
      if (sourceOf(field, writer)) continue
      const value = defaultOf(field)
      steps.push({ name: field.name, run: () => value })
    }
    return inOrder(
      reader.fields.map((field) => field.name),
      steps,
    )
  }
}

/** May a field of this writer's type be without bytes? A record's own fields count by themselves as well. */
function takesNothing(type: AvroType | undefined): boolean {
  return (
    type === undefined || type.kind === 'null' || type.kind === 'record' || (type.kind === 'fixed' && type.size === 0)
  )
}

/**
 * `c => { const v0 = r0(c); r1(c); …; return { storeId: v0 } }`: one object literal, so that all events of a schema
 * have one shape. Only numbers and names of the topic's own schema get into the text, quoted; never the writer's.
 */
function inOrder(names: readonly string[], steps: readonly { readonly name?: string; readonly run: Read }[]): Read {
  const lines = steps.map(({ name }, i) => (name === undefined ? `r${i}(c)` : `const v${i} = r${i}(c)`))
  const entries = names.map((name) => `${JSON.stringify(name)}: v${steps.findIndex((step) => step.name === name)}`)
  const body = `return c => { ${lines.join('; ')}; return { ${entries.join(', ')} } }`
  return new Function(...steps.map((_, i) => `r${i}`), body)(...steps.map((step) => step.run)) as Read
}

function recursive(read: () => Read): Read {
  return (cursor) => {
    cursor.enter()
    const value = read()(cursor)
    cursor.leave()
    return value
  }
}

function list(item: Read): Read {
  return (cursor) => {
    const items: unknown[] = []
    eachItem(cursor, () => items.push(item(cursor)))
    return items
  }
}

function dictionary(item: Read): Read {
  return (cursor) => {
    const entries: Record<string, unknown> = Object.create(null)
    eachItem(cursor, () => {
      const key = cursor.text()
      if (key === '__proto__' || key === 'constructor') throw cursor.malformed(`a map with the key ${key}`)
      entries[key] = item(cursor)
    })
    return entries
  }
}

function eachItem(cursor: Cursor, read: () => void): void {
  for (;;) {
    const count = cursor.block()
    if (count === 0) return
    const bytes = cursor.blockBytes
    const from = cursor.at
    for (let i = 0; i < count; i++) read()
    if (bytes >= 0 && cursor.at - from !== bytes) throw cursor.malformed(`a block that is not ${bytes} bytes long`)
  }
}

function symbol(writer: EnumType, reader: EnumType): Read {
  const known = writer.symbols.map((name) => (reader.symbols.includes(name) ? name : reader.default))
  return (cursor) => {
    const index = cursor.int()
    const value = known[index]
    if (value !== undefined) return value
    const strange = writer.symbols[index]
    if (strange === undefined) throw cursor.malformed(`symbol ${index} of an enum of ${known.length}`)
    throw cursor.unfit(`the symbol ${strange} is not known to ${reader.name}, which has no default`)
  }
}

function scalar(writer: AvroType, reader: AvroType): Read {
  if (isTime(reader)) return time(unitOf(isTime(writer) ? writer : reader), branchOf(writer))
  if (reader.kind === 'decimal') return decimal(writer.kind === 'decimal' ? writer : reader)
  const base = branchOf(writer)
  if (reader.kind === 'fixed') return (cursor) => cursor.blob(reader.size)
  if (base === 'bytes' || base === 'string')
    return reader.kind === 'string' ? repeatedText() : (cursor) => cursor.blob(cursor.length())
  return BASES[base] as Read
}

const BASES: Readonly<Record<string, Read>> = {
  null: () => null,
  boolean: (cursor) => cursor.boolean(),
  int: (cursor) => cursor.int(),
  long: (cursor) => cursor.long(),
  float: (cursor) => cursor.float(),
  double: (cursor) => cursor.double(),
}

/** Milliseconds: of the writer's unit where it says one, else of the reader's. Finer units are rounded down. */
function time(unit: ReturnType<typeof unitOf>, base: string): Read {
  const whole: (cursor: Cursor) => number = base === 'int' ? (cursor) => cursor.int() : (cursor) => cursor.long()
  switch (unit) {
    case 'days':
      return (cursor) => whole(cursor) * DAY_MS
    case 'millis':
      return whole
    case 'micros':
      return (cursor) => Math.floor(whole(cursor) / 1000)
    case 'nanos':
      return (cursor) => {
        const nanos = cursor.bigint()
        const below = nanos % 1_000_000n
        return Number((nanos - (below < 0n ? below + 1_000_000n : below)) / 1_000_000n)
      }
  }
}

function decimal({ scale, fixed }: Extract<AvroType, { kind: 'decimal' }>): Read {
  return (cursor) => {
    const value = decimalOf(cursor.blob(fixed?.size ?? cursor.length()), scale)
    if (value === undefined) throw cursor.malformed('a decimal too large for a number')
    return value
  }
}
