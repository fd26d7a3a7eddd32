/** Expressions as topology files have them: one for every source topic, or one per topic. */
import { z } from 'zod'
import { topicName } from './config.ts'
import { compileExpression, type Expected, type Expression, ExpressionError } from './expression/index.ts'
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
export function canonicalOf(compiled: Compiled<Expected>, sources: readonly SourceTopic[]): string {
  const texts = sources.map((source) => compiled.get(source.name)?.canonical)
  const [first] = texts
  if (first !== undefined && texts.every((text) => text === first)) return first
  const parts = [...compiled]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topic, { canonical }]) => `${topic}: ${canonical}`)
  return `{${parts.join('; ')}}`
}
