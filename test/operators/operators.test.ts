import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Operator } from '../../src/core/model.ts'
import { loadPart, partNames } from '../../src/core/part.ts'
import { operatorSuite } from '../../src/testing/operator.ts'
import { NAIVE_OPERATORS } from '../../src/testing/oracle.ts'
import { operatorNamed } from '../aggregations/declared.ts'

for (const name of partNames('operators')) {
  const part = await loadPart<object, Operator>('operators', name)
  const naive = NAIVE_OPERATORS[name]
  if (!naive) throw new Error(`src/testing/oracle.ts has no ${name}`)
  const operator = await operatorNamed(name)
  operatorSuite({ name, operator, naive })

  describe(`${name}: its page`, () => {
    it('has an example that declares a feature with it', () => {
      const [feature] = Object.values(parse(part.example) as Record<string, { as: string; of?: string }>)
      expect(feature?.as).toBe(name)
      if (operator.of === 'required') expect(feature?.of).toBeDefined()
    })

    it('takes no settings of its own', () => {
      expect(part.config.safeParse({}).success).toBe(true)
      expect(part.config.safeParse({ other: 1 }).success).toBe(false)
    })
  })
}
