import { Fenced } from '../core/errors.ts'
import type { Millis, OpenState, Position, State, StateChange, TaskId } from '../core/model.ts'

/** What a memory state has of one task. */
export interface StoredTask {
  readonly token: string
  readonly epoch: number
  readonly commits: number
  readonly position: Position | undefined
  readonly meta: Uint8Array
  readonly keys: ReadonlyMap<string, Uint8Array>
  readonly timers: ReadonlyMap<string, Millis>
}

interface Stored extends StoredTask {
  token: string
  epoch: number
  commits: number
  position: Position | undefined
  meta: Uint8Array
  readonly keys: Map<string, Uint8Array>
  readonly timers: Map<string, Millis>
}

const PAGE = 100

/** A state store in memory, for tests: it passes the same conformance suite as the real ones. */
export class MemoryState implements State {
  private tasks = new Map<TaskId, Stored>()
  private readonly now: () => Millis
  private claims = 0

  constructor(now: () => Millis = Date.now) {
    this.now = now
  }

  async open(task: TaskId): Promise<OpenState> {
    const known = this.tasks.get(task)
    const stored: Stored = known ?? {
      token: '',
      epoch: 0,
      commits: 0,
      position: undefined,
      meta: new Uint8Array(0),
      keys: new Map(),
      timers: new Map(),
    }
    stored.epoch = Math.max(stored.epoch + 1, this.now())
    stored.token = `c${++this.claims}`
    this.tasks.set(task, stored)
    const { epoch, token, commits, position, meta } = stored
    return { task, epoch, token, commits, position, meta, nextDue: earliest(stored) }
  }

  private owned({ task, token }: OpenState): Stored {
    const stored = this.tasks.get(task)
    if (!stored || stored.token !== token) throw new Fenced()
    return stored
  }

  async read(open: OpenState, keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const stored = this.owned(open)
    return keys.map((key) => stored.keys.get(key))
  }

  async commit(open: OpenState, { position, meta, keys, timers }: StateChange): Promise<void> {
    const stored = this.owned(open)
    if (stored.commits !== open.commits) throw new Fenced('somebody else committed')
    stored.commits++
    stored.position = position
    stored.meta = Uint8Array.from(meta)
    for (const [key, bytes] of keys ?? []) {
      if (bytes === null) stored.keys.delete(key)
      else stored.keys.set(key, Uint8Array.from(bytes))
    }
    for (const [key, due] of timers ?? []) {
      if (due === Number.POSITIVE_INFINITY) stored.timers.delete(key)
      else stored.timers.set(key, due)
    }
    open.commits = stored.commits
    open.position = position
    open.meta = stored.meta
    open.nextDue = earliest(stored)
  }

  async due(open: OpenState, until: Millis, limit: number): Promise<readonly string[]> {
    const due = [...this.owned(open).timers].filter(([, at]) => at <= until).sort((a, b) => a[1] - b[1])
    return due.slice(0, limit).map(([key]) => key)
  }

  async *scan(open: OpenState): AsyncIterable<readonly (readonly [string, Uint8Array])[]> {
    const entries = [...this.owned(open).keys]
    for (let at = 0; at < entries.length; at += PAGE) {
      this.owned(open)
      yield entries.slice(at, at + PAGE)
    }
  }

  async check(open: OpenState): Promise<void> {
    if (this.owned(open).commits !== open.commits) throw new Fenced('somebody else committed')
  }

  async forget(task: TaskId): Promise<void> {
    this.tasks.delete(task)
  }

  /** What stands of a task, for who looks at it without claiming it; undefined for one never opened. */
  stored(task: TaskId): StoredTask | undefined {
    return this.tasks.get(task)
  }

  /** When the next timer of any task is due; Infinity when there is none. */
  nextDue(): Millis {
    return Math.min(...[...this.tasks.values()].map(earliest))
  }

  /** Loses everything, as a store without persistence does at a restart. */
  clear(): void {
    this.tasks.clear()
  }

  /** A copy to go back to. */
  snapshot(): () => void {
    const copy = structuredClone(this.tasks)
    return () => {
      this.tasks = structuredClone(copy)
    }
  }

  async close(): Promise<void> {
    this.tasks.clear()
  }
}

function earliest({ timers }: Stored): Millis {
  let first = Number.POSITIVE_INFINITY
  for (const due of timers.values()) first = Math.min(first, due)
  return first
}
