/** Expressions as topology files have them: one for every source topic, or one per topic. */
import { z } from 'zod'
import { topicName } from './config.ts'
import { only } from './errors.ts'
import {
  AbsentName,
  compileExpression,
  type Expected,
  type Expression,
  ExpressionError,
  type Names,
} from './expression/index.ts'
import { nearest } from './suggest.ts'
import type { SourceTopic } from './topics.ts'
import type { Path, YamlFile } from './yaml.ts'

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String)
/** One CEL expression for every source topic, or one per topic: a topic left out never matches, and has no value. */
export const expression = z.union(
  [scalar, z.record(topicName, scalar)],
  'an expression, or a mapping of topics to expressions',
)
export type Written = z.output<typeof expression>

/** By topic; a topic that is absent never matches and has no value. */
export type Compiled<E extends Expected = Exclude<Expected, 'any'>> = ReadonlyMap<string, Expression<E>>

/** What expressions on a topic may name beside its record. */
export type NamesOn = (topic: SourceTopic) => Omit<Names, 'event'>

/** Undefined when any is wrong; the problems are then among the file's. */
export function compileWritten<E extends Expected>(
  yaml: YamlFile,
  at: Path,
  written: Written,
  sources: readonly SourceTopic[],
  expects: E,
  names?: NamesOn,
): Compiled<E> | undefined {
  const compiled = new Map<string, Expression<E>>()
  const refused: { readonly topic: string; readonly error: ExpressionError; readonly path: Path }[] = []
  const compile = (topic: SourceTopic, text: string, path: Path) => {
    try {
      compiled.set(topic.name, compileExpression(text, { ...names?.(topic), event: topic.type, expects }))
    } catch (error) {
      if (error instanceof AbsentName) return
      refused.push({ topic: topic.name, error: only(ExpressionError, error), path })
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
export function canonicalOf(compiled: Compiled<Expected>, sources: readonly SourceTopic[]): string {
  const texts = sources.map((source) => compiled.get(source.name)?.canonical)
  const [first] = texts
  if (first !== undefined && texts.every((text) => text === first)) return first
  const parts = [...compiled]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topic, { canonical }]) => `${topic}: ${canonical}`)
  return `{${parts.join('; ')}}`
}

/** Names for expressions, as `let` declares them; each may use those before it. */
export const lets = z.record(
  z.string().regex(/^[a-z_]\w{0,62}$/, 'a name of letters, digits and _, beginning with a small letter'),
  expression,
)

/** Checks the expressions that have names, and answers what they add to the names of others; undefined when any is wrong. */
export function compileLets(
  yaml: YamlFile,
  written: z.output<typeof lets> | undefined,
  sources: readonly SourceTopic[],
  names: NamesOn = () => ({}),
): NamesOn | undefined {
  const known = new Map(sources.map(({ name }) => [name, new Map<string, string | null>()]))
  const withLets: NamesOn = (topic) => ({ ...names(topic), lets: known.get(topic.name) as Map<string, string | null> })
  let right = true
  for (const [name, one] of Object.entries(written ?? {})) {
    const at = ['let', name]
    const isField = sources.some(({ type }) => type.fields.some((field) => field.name === name))
    if (isField || name === 'event' || sources.some((topic) => names(topic).beside?.has(name))) {
      const message = `'${name}' is ${isField ? 'a field of the events' : 'a name'} already`
      yaml.add(at, { code: 'duplicate-name', message, expected: 'another name' }, 'key')
      right = false
    }
    const compiled = compileWritten(yaml, at, one, sources, 'any', withLets)
    if (!compiled) right = false
    else
      for (const [topic, texts] of known)
        texts.set(name, compiled.has(topic) ? (typeof one === 'string' ? one : (one[topic] as string)) : null)
  }
  return right ? withLets : undefined
}

/** Each path once, and none below another. */
export function outermost(paths: readonly (readonly string[])[]): string[][] {
  const texts = [...new Set(paths.map((path) => path.join('.')))].sort()
  return texts.filter((text) => !texts.some((other) => text.startsWith(`${other}.`))).map((text) => text.split('.'))
}
