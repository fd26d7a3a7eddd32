/** The columns that written expressions fill. */
import type { Expected } from '../core/expression/index.ts'
import { hash53 } from '../core/key.ts'
import type { ColumnKind, ColumnSpec, Event, Operator, ScalarType } from '../core/model.ts'
import type { SourceTopic } from '../core/topics.ts'
import { cutText } from '../core/values.ts'
import { type Compiled, canonicalOf, compileWritten, type NamesOn, type Written } from '../core/written.ts'
import type { Path, YamlFile } from '../core/yaml.ts'

export const EXPECTS = { flag: 'bool', number: 'number', text: 'text' } as const satisfies Record<ColumnKind, Expected>

/** A column as the whole topology sees it. */
export interface TopologyColumn extends ColumnSpec {
  readonly compiled: Compiled
  /** The expression gives texts; the column holds what this makes of them, so that rows stay small. */
  readonly keep?: (text: string) => string | number
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
  names: NamesOn,
): { readonly column: TopologyColumn; readonly type: ScalarType } | undefined {
  const compiled = compileWritten(yaml, at, written, sources, takes === 'numbers' ? 'number' : 'value', names)
  if (!compiled) return undefined
  const types = new Set([...compiled.values()].map((expression) => TYPES[expression.type] ?? 'string'))
  if (!types.has('string'))
    return { column: columnOf('number', compiled, sources), type: types.has('double') ? 'double' : 'long' }
  if (types.size > 1) {
    const expected = 'numbers of every topic, or texts of every topic'
    yaml.add(at, { code: 'bad-expression', message: 'this is a number on one topic and a text on another', expected })
    return undefined
  }
  const text = canonicalOf(compiled, sources)
  const column: TopologyColumn =
    takes === 'given'
      ? { id: `cut:${text}`, kind: 'text', compiled, keep: cutText }
      : { id: `hash:${text}`, kind: 'number', compiled, keep: hash53 }
  return { column, type: 'string' }
}

const TYPES: Readonly<Record<string, ScalarType>> = { int: 'long', double: 'double' }

/** How records of one topic fill a column. */
export function fillOf(column: TopologyColumn, topic: string): (event: Event) => boolean | number | string | null {
  const { kind, compiled, keep } = column
  const nothing = kind === 'flag' ? false : null
  const evaluate = compiled.get(topic)?.evaluate ?? (() => nothing)
  if (!keep) return evaluate
  return (event) => {
    const text = evaluate(event)
    return text === null ? null : keep(text as string)
  }
}
