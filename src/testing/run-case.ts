/** Runs one test case and says where it went otherwise than expected. */
import type { Millis } from '../core/model.ts'
import type { Path } from '../core/yaml.ts'
import type { Project } from '../project/check.ts'
import type { Step, TestCase } from './cases.ts'
import { openTopologyTest, type TestedDeadLetter, type TopologyTest } from './driver.ts'
import { momentOf } from './moment.ts'
import { isAbout, isTolerance, toleranceHint } from './tolerance.ts'

export interface Failure {
  readonly line: number
  readonly column: number
  /** What was compared: `store-1 orders_10m`. */
  readonly what: string
  readonly expected: unknown
  readonly actual: unknown
  /** The actual value holds as of this time. */
  readonly asOf?: Millis
  /** How the case may say what it means. */
  readonly hint?: string
}

/** Empty when all is as expected. Each case has a world of its own, so none sees another. */
export async function runCase(testCase: TestCase, project: Project): Promise<readonly Failure[]> {
  const run = new Run(testCase, await openTopologyTest(project, testCase.topology.name, testCase.start))
  try {
    for (const step of testCase.steps) await run.step(step)
    run.nothingElse()
  } catch (error) {
    const actual = error instanceof Error ? error.message : String(error)
    run.add([...testCase.path, 'case'], 'the run', 'to come to its end', actual)
  } finally {
    await run.close()
  }
  return run.failures
}

class Run {
  readonly failures: Failure[] = []
  private readonly testCase: TestCase
  private readonly test: TopologyTest

  constructor(testCase: TestCase, test: TopologyTest) {
    this.testCase = testCase
    this.test = test
  }

  async step({ given, advance, expect, path }: Step): Promise<void> {
    for (const { topic, fields, at, key } of given) await this.test.send(topic, fields, { at, key })
    if (advance !== undefined) await this.test.advance(advance)
    const below = [...path, 'expect']
    for (const [id, values] of Object.entries(expect.features ?? {}))
      await this.features([...below, 'features', id], id, values)
    for (const [topic, records] of Object.entries(expect.outputs ?? {}))
      await this.outputs([...below, 'outputs', topic], topic, records)
    if (expect.deadLetters) this.deadLetters([...below, 'deadLetters'], expect.deadLetters)
  }

  private async features(path: Path, id: string, expected: Readonly<Record<string, unknown>> | null): Promise<void> {
    const found = await this.test.features(id)
    const asOf = found?.at
    if (expected === null) {
      if (found) this.add(path, id, 'nothing to be known of it', found.values, asOf)
      return
    }
    const { topology } = this.testCase
    const features = topology.kind === 'features' ? topology.features : []
    const values = found?.values ?? Object.fromEntries(features.map(({ name, default: none }) => [name, none]))
    for (const [name, value] of Object.entries(expected))
      if (!this.matches(value, values[name])) {
        const hint = toleranceHint(features.find((feature) => feature.name === name)?.as, value, values[name])
        this.add([...path, name], `${id} ${name}`, value, values[name], asOf, hint)
      }
  }

  private async outputs(
    path: Path,
    topic: string,
    expected: readonly (Readonly<Record<string, unknown>> | null)[],
  ): Promise<void> {
    const found = (await this.test.outputs(topic)).map(({ value }) => value)
    for (let i = 0; i < Math.max(found.length, expected.length); i++) {
      const [wanted, actual] = [expected[i], found[i]]
      const what = `${topic}, record ${i + 1}`
      if (wanted === undefined) this.add(path, what, 'no further record', actual)
      else if (actual === undefined) this.add([...path, i], what, wanted, 'no further record')
      else if (wanted === null || actual === null) {
        if (wanted !== actual) this.add([...path, i], what, wanted ?? 'no value', actual ?? 'no value')
      } else
        for (const [name, value] of Object.entries(wanted))
          if (!this.matches(value, actual[name]))
            this.add([...path, i, name], `${what}, ${name}`, value, actual[name] ?? null)
    }
  }

  private deadLetters(
    path: Path,
    expected: readonly { readonly code: string; readonly reason?: string | undefined }[],
  ) {
    const found = this.test.deadLetters()
    for (let i = 0; i < Math.max(found.length, expected.length); i++) {
      const [wanted, actual] = [expected[i], found[i]]
      const what = `dead letter ${i + 1}`
      if (!wanted) this.add(path, what, 'no further dead letter', toldLetter(actual as TestedDeadLetter))
      else if (!actual) this.add([...path, i], what, wanted.code, 'no further dead letter')
      else if (wanted.code !== actual.code) this.add([...path, i, 'code'], what, wanted.code, toldLetter(actual))
      else if (!actual.reason.includes(wanted.reason ?? ''))
        this.add([...path, i, 'reason'], what, wanted.reason, actual.reason)
    }
  }

  /** A dead letter that nobody asked for is a fault of the case: an event that was meant to count did not. */
  nothingElse(): void {
    for (const letter of this.test.deadLetters())
      this.add(
        [...this.testCase.path, 'case'],
        'dead letters',
        'none but those that the case expects',
        toldLetter(letter),
      )
  }

  /** Numbers may differ by 1e-9 of their magnitude, or by what the case says; a time may be written as an offset or as ISO 8601. */
  private matches(expected: unknown, actual: unknown): boolean {
    if (typeof actual === 'number' && (typeof expected === 'number' || isTolerance(expected)))
      return isAbout(expected, actual)
    if (typeof expected === 'string' && typeof actual === 'number')
      return momentOf(expected, this.testCase.start) === actual
    if (Array.isArray(expected))
      return (
        Array.isArray(actual) &&
        actual.length === expected.length &&
        expected.every((item, i) => this.matches(item, actual[i]))
      )
    if (typeof expected === 'object' && expected !== null)
      return (
        typeof actual === 'object' &&
        actual !== null &&
        Object.entries(expected).every(([key, value]) => this.matches(value, (actual as Record<string, unknown>)[key]))
      )
    return expected === (actual ?? null)
  }

  add(path: Path, what: string, expected: unknown, actual: unknown, asOf?: Millis, hint?: string): void {
    const more = { ...(asOf === undefined ? {} : { asOf }), ...(hint === undefined ? {} : { hint }) }
    this.failures.push({ ...this.testCase.file.place(path), what, expected, actual, ...more })
  }

  close(): Promise<void> {
    return this.test.close()
  }
}

function toldLetter({ code, reason }: TestedDeadLetter): string {
  return `${code}: ${reason}`
}
