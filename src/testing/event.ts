/** Events as tests write them, made whole by the topic's schema. */
import { describe } from '../core/issues.ts'
import { isMapping } from '../core/mapping.ts'
import type { Flow, Millis } from '../core/model.ts'
import type { Fault } from '../core/problem.ts'
import { type AvroField, type AvroType, branchOf, nonNull, type RecordType } from '../core/schema.ts'
import { nearest } from '../core/suggest.ts'
import type { SourceTopic } from '../core/topics.ts'
import type { Path } from '../core/yaml.ts'
import { MOMENT_EXPECTED, momentOf } from './moment.ts'

export interface EventFault {
  readonly path: Path
  readonly fault: Fault
}

interface Completion {
  readonly type: RecordType
  /** Paths of the fields that the topology reads by name: `['courier', 'id']`. */
  readonly reads: readonly (readonly string[])[]
  /** What offsets count from. */
  readonly start: Millis
  /** Values for fields that are not given, by path: the event time, the event's id. */
  readonly given: ReadonlyMap<string, unknown>
}

/** Where and when an event comes in. */
export interface Arrival {
  readonly source: SourceTopic
  readonly flow: Flow
  /** What offsets count from. */
  readonly start: Millis
  /** Where the clock stands. */
  readonly now: Millis
  /** As written. */
  readonly at: unknown
  /** Names the event where it has a field for that and does not say it. */
  readonly id: string
}

/** The whole event, and when it arrives: at `at`, else at its own event time, else now. What is wrong goes to `faults`. */
export function prepareEvent(
  event: Readonly<Record<string, unknown>>,
  { source, flow, start, now, at, id }: Arrival,
  faults: EventFault[],
): { readonly event: Record<string, unknown>; readonly arrives: Millis } {
  const { time, id: idField } = source.config
  const arrives = momentOf(at ?? (time === undefined ? undefined : valueAt(event, time)), start) ?? now
  const given = new Map<string, unknown>()
  if (time !== undefined) given.set(time, arrives)
  if (idField !== undefined) given.set(idField, id)
  const read = flow.sources.find(({ topic }) => topic === source.name)
  const reads = read?.asked ?? read?.fields ?? []
  return { event: completeEvent(event, { type: source.type, reads, start, given }, faults), arrives }
}

function valueAt(event: Readonly<Record<string, unknown>>, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | null | undefined)?.[name], event)
}

/**
 * The event with times as milliseconds, and with every field that must be there: one that the schema has a default for, or that may
 * be null, is left to the encoder; one that nobody reads gets the empty value of its type. What is wrong goes to `faults`.
 */
function completeEvent(
  event: Readonly<Record<string, unknown>>,
  completion: Completion,
  faults: EventFault[],
): Record<string, unknown> {
  return new Completer(completion, faults).record(completion.type, event, [])
}

class Completer {
  private readonly completion: Completion
  private readonly faults: EventFault[]

  constructor(completion: Completion, faults: EventFault[]) {
    this.completion = completion
    this.faults = faults
  }

  record(type: RecordType, value: Readonly<Record<string, unknown>>, path: Path): Record<string, unknown> {
    const names = type.fields.map(({ name }) => name)
    for (const key of Object.keys(value)) {
      if (names.includes(key)) continue
      const expected = `one of ${names.join(', ')}`
      this.add([...path, key], {
        code: 'unknown-field',
        message: `no field '${key}' in ${type.name}`,
        expected,
        suggestion: nearest(key, names),
      })
    }
    const whole: Record<string, unknown> = {}
    for (const field of type.fields) {
      const at = [...path, field.name]
      const found = value[field.name] === undefined ? this.absent(field, at) : value[field.name]
      if (found !== undefined) whole[field.name] = this.value(field.type, found, at)
    }
    return whole
  }

  private absent(field: AvroField, path: Path): unknown {
    const place = path.join('.')
    const given = this.completion.given.get(place)
    if (given !== undefined) return given
    if (field.default !== undefined || nonNull(field.type).nullable) return undefined
    if (field.type.kind === 'record') return {}
    if (!this.isRead(place)) return emptyOf(field.type)
    this.add(path, {
      code: 'missing-key',
      message: `the event has no '${place}', which the topology reads`,
      expected: `${place}: ${expectationOf(field.type)}`,
    })
    return emptyOf(field.type)
  }

  private isRead(place: string): boolean {
    return this.completion.reads.some((read) => {
      const text = read.join('.')
      return text === place || text.startsWith(`${place}.`) || place.startsWith(`${text}.`)
    })
  }

  private value(type: AvroType, value: unknown, path: Path): unknown {
    const { type: inner, nullable } = nonNull(type)
    if (value === null && nullable) return null
    switch (inner.kind) {
      case 'record':
        return isMapping(value) ? this.record(inner, value, path) : this.unfit(inner, value, path)
      case 'array':
        return Array.isArray(value)
          ? value.map((item, i) => this.value(inner.items, item, [...path, i]))
          : this.unfit(inner, value, path)
      case 'map':
        return isMapping(value)
          ? Object.fromEntries(
              Object.entries(value).map(([key, item]) => [key, this.value(inner.items, item, [...path, key])]),
            )
          : this.unfit(inner, value, path)
      case 'timestamp':
      case 'date':
        return momentOf(value, this.completion.start) ?? this.unfit(inner, value, path)
      case 'enum':
        return inner.symbols.some((symbol) => symbol === value) ? value : this.unfit(inner, value, path)
      case 'string':
        return typeof value === 'string' ? value : this.unfit(inner, value, path)
      case 'boolean':
        return typeof value === 'boolean' ? value : this.unfit(inner, value, path)
      case 'bytes':
      case 'fixed':
        return typeof value === 'string' ? Buffer.from(value) : this.unfit(inner, value, path)
      case 'int':
        return Number.isInteger(value) && (value as number) === ((value as number) | 0)
          ? value
          : this.unfit(inner, value, path)
      case 'long': {
        const time = this.completion.given.has(path.join('.')) ? momentOf(value, this.completion.start) : undefined
        return time ?? (Number.isSafeInteger(value) ? value : this.unfit(inner, value, path))
      }
      case 'union':
        return value
      default:
        return typeof value === 'number' ? value : this.unfit(inner, value, path)
    }
  }

  private unfit(type: AvroType, value: unknown, path: Path): unknown {
    this.add(path, {
      code: 'bad-value',
      message: `${path.join('.')} is ${describe(value)}`,
      expected: expectationOf(type),
      suggestion: type.kind === 'enum' ? nearest(value, type.symbols) : undefined,
    })
    return emptyOf(type)
  }

  private add(path: Path, fault: Fault): void {
    this.faults.push({ path, fault })
  }
}

function expectationOf(type: AvroType): string {
  const { type: inner, nullable } = nonNull(type)
  const or = nullable ? ', or null' : ''
  switch (inner.kind) {
    case 'record':
      return `a mapping with ${inner.fields.map(({ name }) => name).join(', ')}${or}`
    case 'enum':
      return `one of ${inner.symbols.join(', ')}${or}`
    case 'timestamp':
    case 'date':
      return `${MOMENT_EXPECTED}${or}`
    case 'string':
    case 'bytes':
    case 'fixed':
      return `a text${or}`
    case 'boolean':
      return `true or false${or}`
    case 'array':
      return `a list${or}`
    case 'map':
      return `a mapping${or}`
    case 'int':
    case 'long':
      return `a whole number${or}`
    default:
      return `a number${or}`
  }
}

/** What stands in a field that nobody looks at. */
function emptyOf(type: AvroType): unknown {
  const { type: inner, nullable } = nonNull(type)
  if (nullable) return null
  switch (inner.kind) {
    case 'record':
      return Object.fromEntries(
        inner.fields.flatMap((field) => ('default' in field ? [] : [[field.name, emptyOf(field.type)]])),
      )
    case 'array':
      return []
    case 'map':
      return {}
    case 'enum':
      return inner.symbols[0]
    case 'string':
      return ''
    case 'boolean':
      return false
    case 'bytes':
      return Buffer.alloc(0)
    case 'fixed':
      return Buffer.alloc(inner.size)
    case 'union':
      return emptyOf(inner.options[0] as AvroType)
    default:
      return branchOf(inner) === 'null' ? null : 0
  }
}
