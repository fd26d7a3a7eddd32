import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Operator } from '../../src/core/model.ts'
import { loadPart, partNames } from '../../src/core/part.ts'
import { NAIVE_OPERATORS } from '../../src/testing/naive-operators.ts'
import { operatorSuite } from '../../src/testing/operator.ts'
import { operatorNamed } from '../aggregations/declared.ts'

/** Settings of the operators that need some, or are worth looking at with some. */
const SETTINGS: Readonly<Record<string, readonly object[]>> = {
  percentile: [{ percentile: 0 }, { percentile: 50 }, { percentile: 95 }],
  top: [{ top: 1 }, { top: 3 }],
  ewma: [{ ewma: '1s' }, { ewma: '10s' }],
  rate: [{}, { rate: '1m' }],
  spectral: [
    { spectral: '1s', points: 8 },
    { spectral: '3s', points: 16, between: ['10s', '40s'] },
  ],
}

for (const name of partNames('operators')) {
  const part = await loadPart<object, Operator>('operators', name)
  const naive = NAIVE_OPERATORS[name]
  if (!naive) throw new Error(`src/testing/oracle.ts has no ${name}`)
  for (const settings of SETTINGS[name] ?? [{}]) {
    const title = Object.keys(settings).length === 0 ? name : `${name} ${JSON.stringify(settings)}`
    await operatorSuite({ name: title, part, settings, naive })
  }

  describe(`${name}: its page`, () => {
    it('has an example that declares a feature with it', async () => {
      const [feature] = Object.values(parse(part.example) as Record<string, { as: string | object; of?: string }>)
      const as = feature?.as
      expect(typeof as === 'object' ? Object.keys(as) : [as]).toContain(name)
      const operator = await operatorNamed(name, typeof as === 'object' ? as : {})
      if (operator.of === 'required') expect(feature?.of).toBeDefined()
    })

    it('refuses settings that it does not know', () => {
      expect(part.config.safeParse({ other: 1 }).success).toBe(false)
    })
  })
}
