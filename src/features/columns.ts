/** Written expressions compiled for every source topic, and the columns they fill. */
import { compileExpression, type Expected, type Expression, ExpressionError } from '../core/expression/index.ts'
import { hash53 } from '../core/key.ts'
import type { ColumnKind, ColumnSpec, Event, Operator, ScalarType } from '../core/model.ts'
import { nearest } from '../core/suggest.ts'
import type { Path, YamlFile } from '../core/yaml.ts'
import type { Written } from './declaration.ts'
import type { SourceTopic } from './topics.ts'

export const EXPECTS = { flag: 'bool', number: 'number', text: 'text' } as const satisfies Record<ColumnKind, Expected>

/** By topic; a topic that is absent never matches and has no value. */
export type Compiled<E extends Expected = Expected> = ReadonlyMap<string, Expression<E>>

/** Undefined when any is wrong; the problems are then among the file's. */
export function compileWritten<E extends Expected>(
  yaml: YamlFile,
  at: Path,
  written: Written,
  sources: readonly SourceTopic[],
  expects: E,
): Compiled<E> | undefined {
  const compiled = new Map<string, Expression<E>>()
  const refused: { readonly topic: string; readonly error: ExpressionError; readonly path: Path }[] = []
  const compile = (topic: SourceTopic, text: string, path: Path) => {
    try {
      compiled.set(topic.name, compileExpression(text, { event: topic.type, expects }))
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      refused.push({ topic: topic.name, error, path })
    }
  }
  if (typeof written === 'string') for (const topic of sources) compile(topic, written, at)
  else
    for (const [name, text] of Object.entries(written)) {
      const topic = sources.find((source) => source.name === name)
      if (topic) compile(topic, text, [...at, name])
      else {
        const names = sources.map((source) => source.name)
        const fault = { code: 'unknown-topic', message: `'${name}' is not in from` } as const
        const expected = `one of ${names.join(', ')}`
        yaml.add([...at, name], { ...fault, expected, suggestion: nearest(name, names) }, 'key')
      }
    }
  const everywhere = refused.length === sources.length && new Set(refused.map((one) => one.error.message)).size === 1
  for (const { topic, error, path } of everywhere ? refused.slice(0, 1) : refused) {
    const { code, expected, suggestion, offset } = error
    const message = sources.length > 1 && !everywhere ? `${error.message} (topic ${topic})` : error.message
    yaml.add(path, { code, message, expected, suggestion }, offset)
  }
  return refused.length > 0 ? undefined : compiled
}

/** One text for the same meaning on the same topics, whatever way it was written. */
export function canonicalOf(compiled: Compiled, sources: readonly SourceTopic[]): string {
  const texts = sources.map((source) => compiled.get(source.name)?.canonical)
  const [first] = texts
  if (first !== undefined && texts.every((text) => text === first)) return first
  const parts = [...compiled]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topic, { canonical }]) => `${topic}: ${canonical}`)
  return `{${parts.join('; ')}}`
}

/** A column as the whole topology sees it. */
export interface TopologyColumn extends ColumnSpec {
  readonly compiled: Compiled
  /** The expression gives texts; the column holds their hashes. */
  readonly isHashed?: boolean
}

export function columnOf(kind: ColumnKind, compiled: Compiled, sources: readonly SourceTopic[]): TopologyColumn {
  return { id: `${kind}:${canonicalOf(compiled, sources)}`, kind, compiled }
}

/** The values that an operator takes, and their type; undefined when anything is wrong. */
export function valuesOf(
  yaml: YamlFile,
  at: Path,
  written: Written,
  sources: readonly SourceTopic[],
  takes: Operator['takes'],
): { readonly column: TopologyColumn; readonly type: ScalarType } | undefined {
  const compiled = compileWritten(yaml, at, written, sources, takes === 'numbers' ? 'number' : 'value')
  if (!compiled) return undefined
  const types = new Set([...compiled.values()].map((expression) => TYPES[expression.type] ?? 'string'))
  if (!types.has('string'))
    return { column: columnOf('number', compiled, sources), type: types.has('double') ? 'double' : 'long' }
  if (types.size > 1) {
    const expected = 'numbers of every topic, or texts of every topic'
    yaml.add(at, { code: 'bad-expression', message: 'this is a number on one topic and a text on another', expected })
    return undefined
  }
  if (takes === 'given') return { column: columnOf('text', compiled, sources), type: 'string' }
  const id = `hash:${canonicalOf(compiled, sources)}`
  return { column: { id, kind: 'number', compiled, isHashed: true }, type: 'string' }
}

const TYPES: Readonly<Record<string, ScalarType>> = { int: 'long', double: 'double' }

/** How records of one topic fill a column. */
export function fillOf(column: TopologyColumn, topic: string): (event: Event) => boolean | number | string | null {
  const { kind, compiled, isHashed } = column
  const nothing = kind === 'flag' ? false : null
  const evaluate = compiled.get(topic)?.evaluate ?? (() => nothing)
  if (!isHashed) return evaluate
  return (event) => {
    const text = evaluate(event)
    return text === null ? null : hash53(text as string)
  }
}
