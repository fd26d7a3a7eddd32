/** Features that are made of two others: `late_share: { ratio: [late_10m, orders_10m], default: 0 }`. */
import { z } from 'zod'
import { addIssues, describe } from '../core/issues.ts'
import type { FeatureValue } from '../core/model.ts'
import { finite } from '../core/numbers.ts'
import { nearest } from '../core/suggest.ts'
import type { YamlFile } from '../core/yaml.ts'

/** The keys of a ratio. */
export const ratioShape = z.strictObject({
  ratio: z
    .tuple([z.string(), z.string()])
    .describe('Two features of this topology, numbers and no ratios themselves: the first divided by the second.'),
  default: z.number().optional().describe('Value where the second is 0 or either is null; null when left out.'),
  description: z.string().optional().describe("For people; shown by the API and in the output topic's schema."),
})

export interface RatioDeclaration extends z.output<typeof ratioShape> {
  readonly name: string
}

/** Undefined when it is wrong; the problems are then among the file's. */
export function readRatio(yaml: YamlFile, name: string, value: unknown): RatioDeclaration | undefined {
  const parsed = ratioShape.safeParse(value)
  if (parsed.success) return { name, ...parsed.data }
  addIssues(yaml, ['features', name], parsed.error.issues, ratioShape)
  return undefined
}

/** Says what is wrong with the names a ratio is of; `features`: those it can be of. */
export function checkRatio(
  yaml: YamlFile,
  { name, ratio }: RatioDeclaration,
  features: readonly { readonly name: string; readonly type: string }[],
): void {
  const numbers = features.filter(({ type }) => type === 'long' || type === 'double').map((feature) => feature.name)
  for (const [i, part] of ratio.entries()) {
    if (numbers.includes(part)) continue
    const message = features.some((feature) => feature.name === part)
      ? `'${part}' is not a number`
      : `no feature ${describe(part)} to take a ratio of`
    const expected = `one of ${numbers.join(', ')}`
    yaml.add(['features', name, 'ratio', i], {
      code: 'bad-value',
      message,
      expected,
      suggestion: nearest(part, numbers),
    })
  }
}

/** Null where there is no finite quotient. */
export function ratioOf(over: FeatureValue | undefined, under: FeatureValue | undefined): number | null {
  return typeof over === 'number' && typeof under === 'number' ? finite(over / under) : null
}
