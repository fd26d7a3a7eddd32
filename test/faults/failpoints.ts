/**
 * Places at which a worker can be made to die or to freeze: the calls that the engine makes of its surroundings. They are
 * wrapped from outside, so the product has no hooks, and what is torn is what a crash tears.
 */
import { writeSync } from 'node:fs'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { Draft, FeatureStore, State, Transport } from '../../src/core/model.ts'
import type { Services } from '../../src/runtime/services.ts'

/** Where, and what has happened up to there. */
export const FAILPOINTS = {
  'after-open': 'a task has claimed its state and has committed nothing under the claim',
  'before-sink': 'a batch is computed, and nothing of it is said',
  'after-sink': 'the feature store has the batch, the other sinks do not',
  'in-results': 'a part of the results of a batch stands in the output topic',
  'before-commit': 'all sinks have the batch, the state does not',
  'in-commit': 'the commit is under way; nobody hears its answer',
  'after-commit': 'state and position are committed, and nothing knows it',
  'before-frames': 'rows are made, and no frame is written',
  'in-frames': 'some targets have their frames, others do not',
  'after-frames': 'all frames stand, the position of the mapper does not',
  'after-map-commit': 'frames and position of a mapper stand',
  'timers-read': 'timers are due, and nothing has come of them',
  'before-timer-commit': 'what timers changed is said, and not committed',
  'in-records': 'a part of what a transform made is written',
  'after-records': 'all that a transform made is written, its position is not',
  'after-letters': 'dead letters stand, the position that passes them does not',
} as const
export type Failpoint = keyof typeof FAILPOINTS
export const POINTS = Object.keys(FAILPOINTS) as readonly Failpoint[]

export interface Armed {
  readonly point: Failpoint
  /** Times that it is passed unharmed before. */
  readonly skip: number
  /** `kill`: SIGKILL. `freeze`: SIGSTOP, and whoever sent it wakes it. `delay`: a pause each time, in ms. */
  readonly action: 'kill' | 'freeze' | { readonly delay: number }
}

/** What a worker says on stdout, synchronously, right before it dies or freezes. */
export const hitLine = (point: Failpoint): string => `failpoint ${point}`

/** One failpoint is armed at a time. */
export class Trap {
  private armed: Armed | undefined
  private passed = 0

  arm(armed: Armed | undefined): void {
    this.armed = armed
    this.passed = 0
  }

  isSet(point: Failpoint): boolean {
    return this.armed?.point === point
  }

  async at(point: Failpoint): Promise<void> {
    const { armed } = this
    if (armed?.point !== point) return
    if (typeof armed.action === 'object') return void (await sleep(armed.action.delay))
    if (this.passed++ < armed.skip) return
    this.armed = undefined
    writeSync(1, `${hitLine(point)}\n`)
    process.kill(process.pid, armed.action === 'kill' ? 'SIGKILL' : 'SIGSTOP')
    // the signal may take a moment; a frozen process goes on from here when it is woken
    if (armed.action === 'kill') await new Promise(() => undefined)
    await turn()
  }
}

/** The same object with some methods replaced. */
function replaced<T extends object>(real: T, methods: Partial<T>): T {
  return new Proxy(real, {
    get(target, name) {
      if (name in methods) return methods[name as keyof T]
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** The services of a worker with the failpoints in them. */
export function withFailpoints(services: Services, trap: Trap): Services {
  return {
    ...services,
    state: stateWith(services.state, trap),
    store: storeWith(services.store, trap),
    transport: transportWith(services.transport, trap),
    close: () => services.close(),
  }
}

function stateWith(state: State, trap: Trap): State {
  /** Tasks that have read due timers and have not committed since. */
  const timers = new Set<string>()
  return replaced(state, {
    open: async (task) => {
      const opened = await state.open(task)
      await trap.at('after-open')
      return opened
    },
    due: async (open, until, limit) => {
      const keys = await state.due(open, until, limit)
      if (keys.length > 0) {
        timers.add(open.task)
        await trap.at('timers-read')
      }
      return keys
    },
    commit: async (open, change) => {
      const isMap = !open.task.startsWith('reduce/')
      // a commit of nothing but the clock follows no sink
      const isWhole = !isMap && (change.keys?.size ?? 0) > 0
      if (timers.delete(open.task)) await trap.at('before-timer-commit')
      if (isWhole) await trap.at('before-commit')
      const committing = state.commit(open, change)
      if (isWhole && trap.isSet('in-commit')) {
        committing.catch(() => undefined)
        await turn()
        await trap.at('in-commit')
      }
      await committing
      if (isWhole) await trap.at('after-commit')
      if (isMap) await trap.at('after-map-commit')
    },
  })
}

function storeWith(store: FeatureStore, trap: Trap): FeatureStore {
  return replaced(store, {
    write: async (write) => {
      await trap.at('before-sink')
      const answer = await store.write(write)
      await trap.at('after-sink')
      return answer
    },
  })
}

/** By what the topics of the test project are called. */
function transportWith(transport: Transport, trap: Trap): Transport {
  const torn = async (point: Failpoint, drafts: readonly Draft[]) => {
    if (!trap.isSet(point) || drafts.length < 2) return
    // per partition a beginning of what was to be written, as a broker that answers partition by partition leaves it
    await transport.write(drafts.slice(0, drafts.length >> 1))
    await trap.at(point)
    // it was passed unharmed: the rest must not stand before what was just written
    return drafts.slice(drafts.length >> 1)
  }
  return replaced(transport, {
    write: async (drafts) => {
      const topic = drafts[0]?.topic ?? ''
      if (topic.endsWith('.shuffle')) {
        await trap.at('before-frames')
        await transport.write((await torn('in-frames', drafts)) ?? drafts)
        await trap.at('after-frames')
      } else if (topic.endsWith('-made')) {
        await transport.write((await torn('in-records', drafts)) ?? drafts)
        await trap.at('after-records')
      } else if (topic.endsWith('-out')) await transport.write((await torn('in-results', drafts)) ?? drafts)
      else {
        await transport.write(drafts)
        if (topic.endsWith('-dead-letters')) await trap.at('after-letters')
      }
    },
  })
}
