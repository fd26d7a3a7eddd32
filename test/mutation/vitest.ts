/**
 * What tests import from `vitest` while mutants are tried on them: tests are gathered once in one process, and called again for each mutant,
 * in milliseconds. `expect` is vitest's own.
 */
export { expect } from 'vitest'

type Call = (...args: unknown[]) => unknown
interface Suite {
  readonly name: string
  readonly before: Call[]
  readonly after: Call[]
}

export interface Test {
  readonly name: string
  /** False: it was skipped. Rejects where it fails. */
  run(): Promise<boolean>
}

export const tests: Test[] = []
const suites: Suite[] = [{ name: '', before: [], after: [] }]
let finishing: Call[] = []
class Skipped extends Error {}

export function it(title: unknown, ...given: unknown[]): void {
  const call = given.find((each) => typeof each === 'function') as Call
  const within = [...suites]
  const fullTestName = [...within.slice(1).map(({ name }) => name), title].join(' > ')
  const same = tests.filter(({ name }) => name.startsWith(fullTestName)).length
  const skip = (condition = true) => {
    if (condition) throw new Skipped()
  }
  const context = { task: { fullTestName }, skip }
  const run = async () => {
    finishing = []
    try {
      for (const { before } of within) for (const each of before) await each(context)
      await call(context)
      return true
    } catch (error) {
      if (error instanceof Skipped) return false
      throw error
    } finally {
      const after = [...finishing.reverse(), ...within.flatMap((suite) => suite.after).reverse()]
      for (const each of after) await each(context)
    }
  }
  tests.push({ name: same === 0 ? fullTestName : `${fullTestName} (${same + 1})`, run })
}

export function describe(name: unknown, call: () => unknown): void {
  suites.push({ name: String(name), before: [], after: [] })
  call()
  suites.pop()
}

/** `each` of what is declared: the number of the row tells them apart. */
const each =
  (declare: (name: string, call: () => unknown) => void) =>
  (rows: readonly unknown[]) =>
  (name: string, ...given: unknown[]): void => {
    const call = given.find((each) => typeof each === 'function') as Call
    for (const [i, row] of rows.entries()) declare(`${name} [${i}]`, () => call(...(Array.isArray(row) ? row : [row])))
  }

it.each = each(it)
describe.each = each(describe)
export const test = Object.assign((title: unknown, ...given: unknown[]) => it(title, ...given), { each: it.each })

const suite = () => suites.at(-1) as Suite
export const beforeEach = (call: Call): unknown => suite().before.push(call)
export const afterEach = (call: Call): unknown => suite().after.push(call)
export const onTestFinished = (call: Call): unknown => finishing.push(call)
/** Suites of services have these; no mutant is tried on them. */
export const [beforeAll, afterAll] = [() => undefined, () => undefined]
