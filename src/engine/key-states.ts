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

  /** Brings the states of all keys into memory: from the cache, else from the store in one round trip, segments in another. */
  async load(keys: readonly string[], into: Map<string, S>): Promise<void> {
    const missing: string[] = []
    for (const key of keys) {
      const cached = this.cache.get(key)
      if (cached === undefined) missing.push(key)
      else into.set(key, cached)
    }
    const topology = this.flow.name
    this.context.metrics.cacheHits.inc({ topology }, keys.length - missing.length)
    this.context.metrics.cacheMisses.inc({ topology }, missing.length)
    const segments: { key: string; name: string; state: S }[] = []
    const found = await this.read(missing)
    this.limited(() => {
      for (const [key, bytes] of found) {
        const keyState = bytes === undefined ? this.reducer.create() : this.decode(bytes)
        into.set(key, keyState)
        this.cache.set(key, keyState)
        for (const name of this.reducer.missing(keyState))
          segments.push({ key: segmentKey(key, name), name, state: keyState })
      }
    })
    await this.attach(segments)
  }

  private async attach(segments: readonly { key: string; name: string; state: S }[]): Promise<void> {
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
    if (found.every(([, bytes]) => bytes)) return found.map(([, bytes]) => bytes as Uint8Array)
    await this.patiently('checking the state', () => this.context.state.check(this.claim))
    throw new ClearStop('state-unreadable', `${this.id}: a segment of a key is missing`)
  }

  private decode(bytes: Uint8Array): S {
    return readable(this.id, () => this.reducer.decode(bytes))
  }

  private async read(keys: readonly string[]): Promise<(readonly [string, Uint8Array | undefined])[]> {
    const found: (readonly [string, Uint8Array | undefined])[] = []
    for (let at = 0; at < keys.length; at += READ_KEYS) {
      const page = keys.slice(at, at + READ_KEYS)
      const bytes = await this.patiently('reading the state', () => this.context.state.read(this.claim, page))
      for (const [i, key] of page.entries()) found.push([key, bytes[i]])
    }
    return found
  }

  /** Committed bytes of the keys. */
  async images(keys: readonly string[]): Promise<Map<string, Image>> {
    const images = new Map<string, Image>()
    for (const [key, main] of await this.read(keys)) {
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
        await this.attach(
          this.reducer.missing(keyState).map((name) => ({ key: segmentKey(key, name), name, state: keyState })),
        )
        states.set(key, keyState)
      }
      yield states
    }
  }
}
