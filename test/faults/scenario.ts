/** What a scenario is, and how one is run. A file of `scenarios/` each, found by its name. */
import { readdir } from 'node:fs/promises'
import type { Addresses, Lab, LabOptions } from './lab.ts'

export interface Bench {
  /** Services that all scenarios share: not to be harmed. */
  readonly addresses: Addresses
  readonly seed: number
  /** How much of it: kills, rounds. The scenario's own measure when left out. */
  readonly times: number | undefined
  /** Is it the long form? */
  readonly long: boolean
  /** How much longer everything may take than on a quiet machine: session timeouts, and waits for what may not come. */
  readonly patience: number
  /** A deployment that is closed when the scenario is over. */
  lab(options?: Partial<LabOptions>, addresses?: Partial<Addresses>): Promise<Lab>
  /** Called when the scenario is over, last first. */
  onEnd(end: () => unknown): void
  /** Progress, for people. */
  say(text: string): void
}

export interface Scenario {
  /** What is done, in a few words. */
  readonly summary: string
  /** Throws where what came of it is wrong; answers what was counted. */
  run(bench: Bench): Promise<string>
}

const FOLDER = new URL('./scenarios/', import.meta.url)

export async function scenarioNames(): Promise<string[]> {
  return (await readdir(FOLDER)).map((file) => file.replace(/\.ts$/, '')).sort()
}

export async function loadScenario(name: string): Promise<Scenario> {
  const module = (await import(new URL(`${name}.ts`, FOLDER).href)) as { default: Scenario }
  return module.default
}
