/**
 * The test runner that Stryker is given: tests in the process of the runner itself, without vitest around them. A mutant then costs what its
 * tests cost. Each test that has found one is called again without it: where that fails, too, the mutant has left something behind, and
 * Stryker starts another process.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from './vitest.ts'

const OWN = new URL('./vitest.ts', import.meta.url).href
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'vitest' && context.parentURL !== OWN ? { url: OWN, shortCircuit: true } : next(specifier, context),
})

/** How often it is looked whether anything still goes on, in ms, and how often nothing must have: then the test would wait for ever. */
const LOOK_EVERY = 20
const LOOKS = 5

/** For how long tests are tried on one mutant, in ms of CPU, by what they took in the first run. */
const MOST = Number(process.env.MUTATION_SECONDS) * 1_000
/** What each test took in the first run, in ms of CPU: for the processes that come after the first. */
const TOOK = 'took.json'

/** What the changed files look at. */
interface Namespace {
  activeMutant?: string | undefined
  currentTestId?: string | undefined
  mutantCoverage?: unknown
  hitCount?: number | undefined
  hitLimit?: number | undefined
}

interface MutantRun {
  readonly activeMutant: { readonly id: string; readonly fileName: string }
  readonly testFilter?: readonly string[]
  readonly hitLimit?: number
}

class Hung extends Error {}

class InProcess {
  private readonly found = new Map<string, Test & { took: number }>()
  private readonly stryker: Namespace

  constructor() {
    const shared = globalThis as { __stryker__?: Namespace }
    shared.__stryker__ ??= {}
    this.stryker = shared.__stryker__
  }

  capabilities(): object {
    return { reloadEnvironment: false }
  }

  async init(): Promise<void> {
    const { tests } = (await import(OWN)) as { readonly tests: Test[] }
    await import('../coverage/setup.ts')
    for (const file of globSync((process.env.MUTATION_TESTS ?? '').split(',')).sort()) {
      await import(pathToFileURL(resolve(file)).href)
      for (const test of tests.splice(0)) this.found.set(`${file}#${test.name}`, Object.assign(test, { took: 0 }))
    }
    if (!existsSync(TOOK)) return
    for (const [id, took] of JSON.parse(readFileSync(TOOK, 'utf8')) as [string, number][])
      (this.found.get(id) as { took: number }).took = took
  }

  async dryRun(): Promise<object> {
    const results: object[] = []
    for (const [id, test] of this.found) {
      this.stryker.currentTestId = id
      const [started, before] = [performance.now(), process.cpuUsage()]
      const failure = await fails(test)
      const { user, system } = process.cpuUsage(before)
      test.took = (user + system) / 1_000
      const timeSpentMs = performance.now() - started
      const status = failure === undefined ? 'success' : failure === null ? 'skipped' : 'failed'
      results.push({ id, name: id, timeSpentMs, status, failureMessage: String(failure) })
    }
    this.stryker.currentTestId = undefined
    writeFileSync(TOOK, JSON.stringify([...this.found].map(([id, { took }]) => [id, took])))
    return { status: 'complete', tests: results, mutantCoverage: this.stryker.mutantCoverage }
  }

  async mutantRun({ activeMutant, testFilter, hitLimit }: MutantRun): Promise<object> {
    const { stryker } = this
    const ids = this.chosen(activeMutant.fileName, [...(testFilter ?? this.found.keys())])
    Object.assign(stryker, { hitLimit, hitCount: hitLimit === undefined ? undefined : 0 })
    for (const [i, id] of ids.entries()) {
      const test = this.found.get(id) as Test
      stryker.activeMutant = activeMutant.id
      const failure = await fails(test)
      stryker.activeMutant = undefined
      if (!failure) continue
      const isEndless = hitLimit !== undefined && (stryker.hitCount as number) > hitLimit
      Object.assign(stryker, { hitLimit: undefined, hitCount: undefined })
      const after = await fails(test)
      if (after) throw new Error(`${id} fails without the mutant, too, once it was tried: ${after}`)
      if (failure instanceof Hung || isEndless) return { status: 'timeout' }
      return { status: 'killed', killedBy: [id], failureMessage: failure.message, nrOfTests: i + 1 }
    }
    return { status: 'survived', nrOfTests: ids.length }
  }

  /** Those of the file's own name, then others, the shortest first, for as long as there is time. */
  private chosen(fileName: string, ids: readonly string[]): readonly string[] {
    const [, folder, part] = relative(process.cwd(), fileName).replace('.ts', '').split('/')
    const took = (id: string) => (this.found.get(id) as { took: number }).took
    const isOwn = (id: string) => id.startsWith(`test/${folder}/${part}`)
    const sorted = ids.toSorted((a, b) => Number(isOwn(b)) - Number(isOwn(a)) || took(a) - took(b))
    let time = 0
    return sorted.filter((id) => {
      time += took(id)
      return time <= MOST
    })
  }
}

/** Why; null where it was skipped. */
async function fails(test: Test): Promise<Error | null | undefined> {
  const hung = Promise.withResolvers<never>()
  let idle = 0
  const looking = setInterval(() => {
    // beside the timer of this look, and what leads to Stryker
    const active = process.getActiveResourcesInfo().filter((what) => !/Pipe|TTY|Channel/.test(what))
    idle = active.length > 1 ? 0 : idle + 1
    if (idle === LOOKS) hung.reject(new Hung('waits for ever'))
  }, LOOK_EVERY)
  try {
    return (await Promise.race([test.run(), hung.promise])) ? undefined : null
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    clearInterval(looking)
  }
}

const factory = Object.assign(() => new InProcess(), { inject: [] })
export const strykerPlugins = [{ kind: 'TestRunner', name: 'in-process', factory }]
