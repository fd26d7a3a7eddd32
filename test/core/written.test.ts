import { expect, it } from 'vitest'
import { topicType } from '../../src/core/schema.ts'
import type { SourceTopic } from '../../src/core/topics.ts'
import { canonicalOf, compileWritten } from '../../src/core/written.ts'
import { YamlFile } from '../../src/core/yaml.ts'

const source = (name: string) => {
  const type = topicType({ type: 'record', name: 'R', fields: [{ name: 'n', type: 'int' }] })
  return { name, type } as unknown as SourceTopic
}
const [a, b, c] = [source('a'), source('b'), source('c')]

function canonical(written: string | Record<string, string>, ...sources: readonly SourceTopic[]): string {
  const yaml = new YamlFile('a.yaml', '')
  const compiled = compileWritten(yaml, [], written, sources, 'any')
  expect(yaml.problems).toEqual([])
  return canonicalOf(compiled as NonNullable<typeof compiled>, sources)
}

it('what means the same on the same topics has one text, in whatever order topics and blanks stand', () => {
  expect(canonical({ c: 'event.n', a: 'event.n+1', b: 'event.n' }, a, b, c)).toBe(
    canonical({ a: '(event.n + 1)', b: ' event.n', c: 'n' }, c, b, a),
  )
  expect(canonical({ a: 'n', b: 'n' }, a, b)).toBe(canonical('event.n', a, b))
  expect(canonical({ a: 'n' }, a, b)).not.toBe(canonical('n', a, b))
})
