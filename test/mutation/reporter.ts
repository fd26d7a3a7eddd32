/** What Stryker tells while it goes: each change that no test noticed, at once; how far it is; and in the end what each file has. */
import { relative } from 'node:path'

/** How often it is said how far it is, in ms. */
const SAY_EVERY = 10_000
const KILLED = ['Killed', 'Timeout']
const SURVIVED = ['Survived', 'NoCoverage']

interface Mutant {
  readonly fileName: string
  readonly status: string
  readonly replacement: string
  readonly location: { readonly start: { readonly line: number; readonly column: number } }
}

const say = (name: string, ...cells: readonly unknown[]): void =>
  console.log([name.padEnd(40), ...cells.map((cell) => String(cell).padStart(8))].join(' '))

/** Mutants that count: those in code that is run once, when a file is loaded, do not. */
class Table {
  private readonly killed: string[] = []
  private readonly survived: string[] = []
  private tried = 0
  private saying: NodeJS.Timeout | undefined

  onMutationTestingPlanReady({ mutantPlans }: { readonly mutantPlans: readonly unknown[] }): void {
    this.saying = setInterval(
      () => console.log(`${this.tried} of ${mutantPlans.length} tried, ${this.survived.length} survived`),
      SAY_EVERY,
    )
  }

  onMutantTested({ fileName, status, replacement, location: { start } }: Mutant): void {
    const file = relative(process.cwd(), fileName)
    this.tried++
    if (KILLED.includes(status)) this.killed.push(file)
    if (!SURVIVED.includes(status)) return
    this.survived.push(file)
    const text = replacement.replaceAll(/\s+/g, ' ').slice(0, 100)
    console.log(
      `${file}:${start.line}:${start.column} ${status === 'NoCoverage' ? 'no test reaches' : 'survived'}: ${text}`,
    )
  }

  wrapUp(): void {
    clearInterval(this.saying)
    say('file', 'mutants', 'killed', 'survived', '%')
    for (const file of [...new Set([...this.killed, ...this.survived])].sort()) this.row(file, (name) => name === file)
    this.row('all', () => true)
  }

  private row(name: string, isMine: (file: string) => boolean): void {
    const [killed, survived] = [this.killed.filter(isMine).length, this.survived.filter(isMine).length]
    say(name, killed + survived, killed, survived, ((100 * killed) / (killed + survived)).toFixed(1))
  }
}

const factory = Object.assign(() => new Table(), { inject: [] })
export const strykerPlugins = [{ kind: 'Reporter', name: 'table', factory }]
