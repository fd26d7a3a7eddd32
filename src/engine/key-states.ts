/** The states of a task's keys: in memory those last used, in the store all of them as committed. */
import { ClearStop } from '../core/errors.ts'
import type { FeatureFlow, OpenState, Reducer, TaskId } from '../core/model.ts'
import type { Image } from './careful.ts'
import { isSegment, segmentKey } from './compute.ts'
import { KeyCache } from './keys.ts'
import type { OwnCalls } from './own-code.ts'
import { type Patience, readable, type TaskContext } from './task.ts'

/** Keys read from the store in one call. */
const READ_KEYS = 2_000

export class KeyStates<S> {
  reducer!: Reducer<S>
  readonly cache: KeyCache<S>
  private patiently!: Patience
  private claim!: OpenState
  private readonly id: TaskId
  private readonly flow: FeatureFlow
  private readonly calls: OwnCalls | undefined
  private readonly context: Pick<TaskContext, 'state' | 'metrics' | 'settings'>

  /** `calls`: where code of one's own takes part. */
  constructor(
    { id, flow }: { readonly id: TaskId; readonly flow: FeatureFlow },
    calls: OwnCalls | undefined,
    context: Pick<TaskContext, 'state' | 'metrics' | 'settings'>,
  ) {
    this.id = id
    this.flow = flow
    this.calls = calls
    this.context = context
    this.cache = new KeyCache(context.settings.cacheKeys)
  }

  /** At every open of the task: nothing is in memory then. `slots` are those that the committed states were made with. */
  open(patiently: Patience, claim: OpenState, slots: readonly string[]): void {
    this.patiently = patiently
    this.claim = claim
    this.begin(slots)
  }

  /** Nothing that failing code has had in its hands is used again. */
  renew(): Reducer<S> {
    return this.begin(this.reducer.slots)
  }

  private begin(slots: readonly string[]): Reducer<S> {
    this.cache.clear()
    this.reducer = this.flow.reducer(slots) as Reducer<S>
    return this.reducer
  }

  /** Runs what decodes or evaluates, which may be code of one's own. */
  limited<T>(call: () => T): T {
    return this.calls ? this.calls.demand(call) : call()
  }

  /**
   * The states of all keys, in their order: from the cache, else from the store in one round trip, segments in another. One that has
   * none is decoded when its turn comes: what is not kept in memory then dies young, and costs the garbage collector nothing.
   */
  async load(keys: readonly string[]): Promise<Iterable<readonly [string, S]>> {
    const states = keys.map((key) => this.cache.get(key))
    const missing = keys.filter((_, i) => states[i] === undefined)
    const topology = this.flow.name
    this.context.metrics.cacheHits.inc({ topology }, keys.length - missing.length)
    this.context.metrics.cacheMisses.inc({ topology }, missing.length)
    const found = await this.read(missing)
    const segmented = new Map<string, S>()
    this.limited(() => {
      for (const [i, bytes] of found.entries()) {
        if (bytes === undefined || readable(this.id, () => this.reducer.isWhole(bytes))) continue
        const key = missing[i] as string
        segmented.set(key, this.make(key, bytes))
      }
    })
    await this.attach(segmented)
    return this.inTurns(keys, states, found, segmented)
  }

  /** `states`: those that were in memory; `found`: the bytes of the others, of which `made` is what was decoded already. */
  private *inTurns(
    keys: readonly string[],
    states: readonly (S | undefined)[],
    found: readonly (Uint8Array | undefined)[],
    made: ReadonlyMap<string, S>,
  ): Generator<readonly [string, S]> {
    let at = 0
    for (const [i, key] of keys.entries()) {
      const state = states[i]
      if (state !== undefined) yield [key, state]
      else {
        const bytes = found[at++]
        yield [key, made.get(key) ?? this.make(key, bytes)]
      }
    }
  }

  private make(key: string, bytes: Uint8Array | undefined): S {
    const state = bytes === undefined ? this.reducer.create() : this.decode(bytes)
    if (this.cache.admits(key)) this.cache.set(key, state)
    return state
  }

  /** What they lack. */
  private async attach(states: ReadonlyMap<string, S>): Promise<void> {
    const segments = [...states].flatMap(([key, state]) =>
      this.reducer.missing(state).map((name) => ({ key: segmentKey(key, name), name, state })),
    )
    if (segments.length === 0) return
    const found = await this.segments(segments.map(({ key }) => key))
    this.limited(() => {
      for (const [i, { name, state }] of segments.entries())
        readable(this.id, () => this.reducer.attach(state, name, found[i] as Uint8Array))
    })
  }

  /** All of these have to be there: where the store went back since their keys were read, the task opens again. */
  private async segments(names: readonly string[]): Promise<readonly Uint8Array[]> {
    const found = await this.read(names)
    if (found.every((bytes) => bytes)) return found as readonly Uint8Array[]
    await this.patiently('checking the state', () => this.context.state.check(this.claim))
    throw new ClearStop('state-unreadable', `${this.id}: a segment of a key is missing`)
  }

  private decode(bytes: Uint8Array): S {
    return readable(this.id, () => this.reducer.decode(bytes))
  }

  /** Committed bytes, in the order of the names. */
  private async read(names: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = []
    for (let at = 0; at < names.length; at += READ_KEYS) {
      const page = names.slice(at, at + READ_KEYS)
      found.push(...(await this.patiently('reading the state', () => this.context.state.read(this.claim, page))))
    }
    return found
  }

  /** Committed bytes of the keys. */
  async images(keys: readonly string[]): Promise<Map<string, Image>> {
    const images = new Map<string, Image>()
    for (const [i, main] of (await this.read(keys)).entries()) {
      const key = keys[i] as string
      const names = main ? this.limited(() => this.reducer.missing(this.decode(main))) : []
      const found = await this.segments(names.map((name) => segmentKey(key, name)))
      images.set(key, { main, segments: new Map(names.map((name, i) => [name, found[i] as Uint8Array])) })
    }
    return images
  }

  /** All keys as committed, in pages, past the cache: what is in memory may be ahead of what was said. */
  async *committed(): AsyncGenerator<ReadonlyMap<string, S>> {
    for await (const page of this.context.state.scan(this.claim)) {
      const states = new Map<string, S>()
      for (const [key, bytes] of page) {
        if (isSegment(key)) continue
        const keyState = this.limited(() => this.decode(bytes))
        states.set(key, keyState)
      }
      await this.attach(states)
      yield states
    }
  }
}
