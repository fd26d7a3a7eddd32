/** What is fuzzed: a file in `targets/` whose default export is a `Target`; nothing else lists it. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Chance } from './chance.ts'

export interface Target {
  /** What is given, and what must hold. */
  readonly about: string
  /** Inputs that every change is tried with. */
  readonly slice: number
  open(): Promise<Session>
}

export interface Session {
  /** Tries some inputs, all decided by `chance`. Throws when anything happens that must not. */
  try(chance: Chance, trial: Trial): void | Promise<void>
  close?(): Promise<void>
}

/** What a session says of an input. */
export interface Trial {
  /** Before it is tried: how it is shown if it fails. */
  input(shown: () => string): void
  /** What became of it, for the figures: `decoded`, or the code of the error. */
  outcome(name: string): void
}

export interface Report {
  readonly inputs: number
  readonly seeds: number
  readonly outcomes: ReadonlyMap<string, number>
}

export interface Run {
  readonly seed: number
  readonly inputs: number
  /** Told before each seed. */
  readonly onSeed?: (seed: number, inputs: number) => void
}

const folder = join(import.meta.dirname, 'targets')

export const targetNames = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -3))
    .sort()

export async function loadTarget(name: string): Promise<Target> {
  if (!targetNames().includes(name)) throw new Error(`no target ${name}: there are ${targetNames().join(', ')}`)
  const { default: target } = (await import(join(folder, `${name}.ts`))) as { default: Target }
  return target
}

/** Tries seed after seed until there were so many inputs. Throws an error that says how to do it again. */
export async function fuzz(name: string, { seed, inputs, onSeed }: Run): Promise<Report> {
  const target = await loadTarget(name)
  const session = await target.open()
  const outcomes = new Map<string, number>()
  let tried = 0
  let shown = () => 'none yet'
  const trial: Trial = {
    input(show) {
      tried++
      shown = show
    },
    outcome: (outcome) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1),
  }
  let at = seed
  try {
    for (; tried < inputs; at++) {
      onSeed?.(at, tried)
      const before = tried
      await session.try(new Chance(at), trial)
      if (tried === before) throw new Error('the session tried nothing')
    }
  } catch (error) {
    const again = `npm run fuzz -- --target ${name} --seed ${at} --inputs 1`
    throw new Error(`${name}, seed ${at}: ${String(error)}\ninput: ${shown()}\nagain: ${again}`, { cause: error })
  } finally {
    await session.close?.()
  }
  return { inputs: tried, seeds: at - seed, outcomes }
}
