/** A configuration schema as a Markdown table: name, what it takes, default, meaning. */
import type { z } from 'zod'
import { jsonSchemaOf } from '../src/core/json-schema.ts'

interface Json {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Json[]
  readonly items?: Json
  readonly prefixItems?: readonly Json[]
  readonly properties?: Readonly<Record<string, Json>>
  readonly additionalProperties?: Json | boolean
  readonly required?: readonly string[]
  readonly format?: string
  readonly pattern?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly minItems?: number
}

/** Lines of the table; none where there are no settings. */
export function settingsTable(schema: z.ZodType): string[] {
  const json = jsonSchemaOf(schema) as Json
  const rows = rowsOf(json, '')
  return rows.length === 0 ? [] : table(['setting', 'takes', 'default', 'meaning'], rows)
}

function rowsOf({ properties = {}, required = [] }: Json, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([name, setting]) => {
    const path = `${prefix}${name}`
    const inner = nested(setting, path)
    const shown = defaultOf(setting) ?? (required.includes(name) ? 'required' : '')
    const isHeading = inner.length > 0 && setting.description === undefined
    const row = [`\`${path}\``, typeOf(setting), shown, setting.description ?? '']
    return isHeading ? inner : [row, ...inner]
  })
}

/** Settings inside a setting: of a mapping, of the entries of a mapping by name, of one of several shapes. */
function nested({ properties, additionalProperties, anyOf = [], required = [] }: Json, path: string): string[][] {
  if (properties) return rowsOf({ properties, required }, `${path}.`)
  if (typeof additionalProperties === 'object') return rowsOf(additionalProperties, `${path}.<name>.`)
  return anyOf.flatMap((shape) =>
    shape.properties ? rowsOf(shape, `${path}.`) : shape.anyOf ? nested(shape, path) : [],
  )
}

function typeOf(json: Json): string {
  const { anyOf, enum: values, prefixItems: [first] = [], items = first, type } = json
  if (json.const !== undefined) return code(json.const)
  if (values) return values.map(code).join(', ')
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(' or ')
  if (isDuration(json)) return 'duration'
  if (json.format === 'date-time') return 'ISO time'
  switch (type) {
    case 'integer':
      return `whole number${rangeOf(json)}`
    case 'array':
      return `list of ${typeOf(items ?? {})}`
    case 'object':
      return 'mapping'
    case 'string':
      return 'text'
    case 'boolean':
      return '`true`, `false`'
    case 'number':
      return 'number'
    default:
      return 'expression'
  }
}

function rangeOf({ minimum, exclusiveMinimum, maximum = Number.MAX_SAFE_INTEGER }: Json): string {
  const least = minimum ?? (exclusiveMinimum === undefined ? undefined : exclusiveMinimum + 1)
  if (least === undefined) return ''
  return maximum === Number.MAX_SAFE_INTEGER ? `, at least ${least}` : `, ${least} to ${maximum}`
}

function defaultOf(json: Json): string | undefined {
  const { default: value } = json
  if (value === undefined) return undefined
  const isTime = isDuration(json) || json.anyOf?.some(isDuration)
  return code(typeof value === 'number' && isTime ? durationText(value) : value)
}

const isDuration = ({ pattern }: Json): boolean => pattern?.endsWith('(ms|s|m|h|d)$') ?? false

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

function durationText(ms: number): string {
  const unit = UNITS.find(([, length]) => ms % length === 0)
  return unit ? `${ms / unit[1]}${unit[0]}` : `${ms}ms`
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cellOf).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}

/** Outside of code, `<…>` would be taken for HTML. */
function cellOf(text: string): string {
  const parts = text.replaceAll('|', '\\|').split('`')
  return parts.map((part, i) => (i % 2 === 0 ? part.replaceAll('<', '&lt;') : part)).join('`')
}
