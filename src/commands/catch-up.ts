/** Waits until generations serve that are being computed, and says how far they are and when they will be there. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TopologyAnswer } from '../api/shapes.ts'
import type { Millis } from '../core/model.ts'
import { ApiError, askJson } from './api.ts'
import type { Terminal } from './console.ts'

const LOOK_EVERY: Millis = 1_000
const SAY_EVERY: Millis = 5_000
/** The pace is that of so long. */
const PACE_OVER: Millis = 30_000

type Look = Pick<TopologyAnswer, 'name' | 'serving' | 'live'>

/** Resolves with true once every one of these serves; with false at the stop signal. `generations`: by topology. */
export async function catchUp(
  address: string,
  generations: ReadonlyMap<string, string>,
  terminal: Pick<Terminal, 'error' | 'stopSignal' | 'environment'>,
): Promise<boolean> {
  const { error, stopSignal: signal } = terminal
  const paces = new Map([...generations.keys()].map((name) => [name, new Pace()]))
  let saidAt = Number.NEGATIVE_INFINITY
  while (!signal.aborted) {
    const looks = await looksAt(address, terminal)
    const now = performance.now()
    const open = [...generations].filter(([name, generation]) => serving(looks, name) !== generation)
    if (looks && open.length === 0) return true
    const lines = open.map(([name]) => progress(name, paces.get(name) as Pace, looks, now))
    if (now - saidAt >= SAY_EVERY) {
      saidAt = now
      error(looks ? lines.join('\n') : `nothing answers at ${address} yet; waiting`)
    }
    await sleep(LOOK_EVERY, undefined, { signal }).catch(() => undefined)
  }
  return false
}

/** Undefined while nothing answers. */
async function looksAt(address: string, terminal: Pick<Terminal, 'environment'>): Promise<readonly Look[] | undefined> {
  try {
    return (await askJson<{ topologies: readonly Look[] }>(`${address}/v1/topologies`, terminal)).topologies
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== undefined && error.status < 500)) throw error
    return undefined
  }
}

const serving = (looks: readonly Look[] | undefined, name: string) => looks?.find((look) => look.name === name)?.serving

function progress(name: string, pace: Pace, looks: readonly Look[] | undefined, now: Millis): string {
  const live = looks?.find((look) => look.name === name)?.live
  if (live === undefined || Object.keys(live.tasks).length === 0) return `${name}: not taken up yet`
  const left = pace.left(live.lag, now)
  const told = `${name}: ${live.lag.toLocaleString('en')} records behind`
  if (live.reasons.length > 0) return `${told}; ${live.reasons[0]}`
  return left === undefined ? told : `${told}, ${left.perSecond.toLocaleString('en')}/s, ${duration(left.ms)} left`
}

/** How fast a lag shrinks. */
export class Pace {
  private readonly looks: { readonly at: Millis; readonly lag: number }[] = []

  /** Undefined while it is not known, or the lag does not shrink. */
  left(lag: number, now: Millis): { readonly perSecond: number; readonly ms: Millis } | undefined {
    this.looks.push({ at: now, lag })
    while ((this.looks[1]?.at ?? now) <= now - PACE_OVER) this.looks.shift()
    const [first] = this.looks
    const shrunk = (first?.lag ?? lag) - lag
    const took = now - (first?.at ?? now)
    if (shrunk <= 0 || took <= 0) return undefined
    return { perSecond: Math.round((shrunk / took) * 1_000), ms: (lag / shrunk) * took }
  }
}

function duration(ms: Millis): string {
  const seconds = Math.ceil(ms / 1_000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`
}
