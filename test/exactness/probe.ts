/** What a person looks at while something is wrong: readiness, metrics, exit codes. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunningWorker } from '../../bench/w1.ts'

interface Readiness {
  readonly status: string
  readonly parts: readonly { readonly part: string; readonly ok: boolean; readonly reason?: string }[]
}

/** What `/health/ready` answers, with its HTTP status. */
export async function readiness({ url }: Pick<RunningWorker, 'url'>): Promise<Readiness & { readonly code: number }> {
  const response = await fetch(`${url}/health/ready`)
  return { code: response.status, ...((await response.json()) as Readiness) }
}

/** Reason of the first part that is not ready; empty when all are. */
export async function unready(worker: Pick<RunningWorker, 'url'>): Promise<string> {
  const part = (await readiness(worker)).parts.find(({ ok }) => !ok)
  return part ? `${part.part}: ${part.reason}` : ''
}

/** Sum of a metric over its labels; only samples that hold all of `labels`. */
export async function metric(
  { url }: Pick<RunningWorker, 'url'>,
  name: string,
  ...labels: readonly string[]
): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** Looks again and again until `look` answers what satisfies; throws with the last answer when patience ends. */
export async function until<T>(
  what: string,
  look: () => Promise<T>,
  satisfies: (answer: T) => boolean,
  patienceMs = 90_000,
): Promise<T> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const answer = await look()
    if (satisfies(answer)) return answer
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(answer)} after ${patienceMs} ms`)
    await sleep(100)
  }
}
