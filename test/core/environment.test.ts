import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { environmentIn } from '../../src/core/environment.ts'
import { YamlFile } from '../../src/core/yaml.ts'

const inserted = (text: string, environment: Record<string, string> = {}) => {
  const yaml = new YamlFile('millrace.yaml', text)
  const made = environmentIn(yaml, yaml.value, environment)
  return { ...made, said: yaml.problems.map(({ line, column, message }) => `${line}:${column} ${message}`) }
}

const v = (name: string) => `\${${name}}`

describe('variables of the environment', () => {
  it('stand wherever there is text, and elsewhere stay what they are', () => {
    const { value, said } = inserted(`a: ["${v('HOST')}:${v('PORT')}", 5, null]\nb: { c: "$${v('HOST')}" }`, {
      HOST: 'h',
      PORT: '1',
    })
    expect(value).toEqual({ a: ['h:1', 5, null], b: { c: v('HOST') } })
    expect(said).toEqual([])
  })

  it('that are missing are named at their place, also where an object has such a property anyway', () => {
    const { said, isMissing } = inserted(`a: x\nb: "at ${v('constructor')}"\nc: "${v('')}"`)
    expect(said).toEqual(['2:8 the environment has no variable constructor', '3:5 the environment has no variable {}'])
    expect([isMissing(['a']), isMissing(['b'])]).toEqual([false, true])
  })

  it('are numbers and switches where those are wanted, and nowhere else', () => {
    const schema = z.strictObject({ port: z.int(), share: z.number(), tls: z.boolean(), name: z.string() })
    const parsed = (values: Record<string, string>) => {
      const { value, check } = inserted(
        `port: "${v('A')}"\nshare: "${v('B')}"\ntls: "${v('C')}"\nname: "${v('D')}"`,
        values,
      )
      return check(schema, value)
    }
    expect(parsed({ A: '80', B: '0.5', C: 'true', D: '7' }).data).toEqual({
      port: 80,
      share: 0.5,
      tls: true,
      name: '7',
    })
    expect(parsed({ A: '80', B: '1', C: 'false', D: 'true' }).data).toMatchObject({ tls: false, name: 'true' })
    for (const wrong of [{ A: 'eighty' }, { A: ' ' }, { A: '0.5' }, { C: 'yes' }, { C: '1' }])
      expect(parsed({ A: '80', B: '0.5', C: 'true', D: '7', ...wrong }).success).toBe(false)
  })

  it('change nothing where none is: a number written as text is refused', () => {
    const { value, check } = inserted('port: "80"')
    expect(check(z.strictObject({ port: z.int() }), value).success).toBe(false)
  })
})
