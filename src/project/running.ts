/** Which topologies run in this process. They are taken up, changed and given up while the worker goes on. */
import type { WallClock } from '../core/clock.ts'
import { MillraceError } from '../core/errors.ts'
import type { FeatureStore, Flow, Millis, State } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import type { Worker } from '../engine/worker.ts'
import { withRebuild } from '../features/rebuild.ts'
import { type About, aboutOf } from './about.ts'
import type { AnyTopology } from './kinds.ts'

/** A topology's flow, and what was opened for it. */
export interface OpenedFlow {
  readonly flow: Flow
  close(): Promise<void>
}

interface Run extends OpenedFlow {
  readonly topology: AnyTopology
  /** Where nothing else changes, it is the same. */
  readonly identity: string
}

export interface RunningOptions {
  readonly worker: Pick<Worker, 'prepare' | 'update' | 'status'>
  readonly state: State
  readonly store: Pick<FeatureStore, 'alias'>
  readonly open: (topology: AnyTopology) => Promise<OpenedFlow>
  /** Called when another set of flows is about to run. */
  readonly changed: (flows: readonly Flow[], topologies: readonly AnyTopology[]) => void
  readonly clock: WallClock
  readonly log: Log
}

/** How often it looks whether what could not be taken up can be now, and whether an old generation still serves. */
const TEND_EVERY: Millis = 5_000

export class Running {
  /** Why topologies could not be taken up, by name; what ran before goes on. */
  readonly refused = new Map<string, string>()
  private readonly options: RunningOptions
  private wanted: readonly AnyTopology[] = []
  /** Monotonic time at which these were read. */
  private wantedAt: Millis = 0
  private runs = new Map<string, Run>()
  /** Generations that are replaced and still serve: they go on until the alias has moved. */
  private replaced: Run[] = []
  /** Closed as soon as the worker has let go of them. */
  private readonly gone: Run[] = []
  private isPending = false
  private changes: Promise<void> = Promise.resolve()
  private readonly stopping = new AbortController()
  private tending: Promise<void> | undefined

  constructor(options: RunningOptions) {
    this.options = options
  }

  /** As they run here: rebuilt ones under their rebuild's generation. */
  get topologies(): readonly AnyTopology[] {
    return [...this.runs.values()].map(({ topology }) => topology)
  }

  /** What is to be remembered of the topology behind a flow. */
  about(flow: Flow): About | undefined {
    const run = [...this.runs.values()].find((one) => one.flow === flow)
    return run && aboutOf(run.topology)
  }

  /** What a worker begins with. Rejects when one of them cannot be opened. */
  async begin(topologies: readonly AnyTopology[]): Promise<readonly Flow[]> {
    this.wanted = topologies
    for (const topology of await this.rebuilt(topologies)) await this.open(topology)
    return this.announce()
  }

  /**
   * Runs these from now on. What is the same goes on undisturbed, unless it is blocked: it is then opened again. One that cannot
   * be taken up is among `refused` then, and tried again now and then; what ran under its name goes on. Rejects when the state does
   * not answer; that is tried again, too.
   */
  take(topologies: readonly AnyTopology[]): Promise<void> {
    this.wanted = topologies
    this.wantedAt = this.options.clock.monotonic()
    this.isPending = true
    this.tending ??= this.tend()
    return this.change()
  }

  /** Nothing is taken up any more; to be called before the worker is stopped. */
  async end(): Promise<void> {
    this.stopping.abort()
    await this.changes
    await this.tending
  }

  /** To be called when the worker has stopped. */
  async close(): Promise<void> {
    for (const run of [...this.runs.values(), ...this.replaced, ...this.gone].reverse()) await run.close()
  }

  private change(): Promise<void> {
    const change = this.changes.then(async () => {
      if (this.stopping.signal.aborted) return
      const { isPending } = this
      // what is declared from here on is pending again
      this.isPending = false
      await this.takeUp(isPending).catch((error: unknown) => {
        this.isPending = true
        throw error
      })
    })
    this.changes = change.catch(() => undefined)
    return change
  }

  private async takeUp(isNew: boolean): Promise<void> {
    const { worker, log } = this.options
    const { wanted, wantedAt } = this
    const topologies = await this.rebuilt(wanted)
    const names = new Set(topologies.map(({ name }) => name))
    const tasks = isNew ? worker.status() : []
    const blocked = new Set(tasks.flatMap((task) => (task.condition === 'blocked' ? [task.topology] : [])))
    this.refused.clear()
    for (const topology of topologies) {
      const before = this.runs.get(topology.name)
      if (before?.identity === identityOf(topology) && !blocked.has(topology.name)) continue
      try {
        // a rebuild is asked for later than what it rebuilds was declared
        await worker.prepare((await this.open(topology)).flow, wanted.includes(topology) ? wantedAt : undefined)
        log.info({ topology: topology.name, generation: topology.generation }, before ? 'changed' : 'added')
        if (before) (servesUntilReplaced(before.topology, topology) ? this.replaced : this.gone).push(before)
      } catch (error) {
        await this.refuse(topology, before, error)
      }
    }
    for (const [name, run] of this.runs) {
      if (names.has(name)) continue
      log.info({ topology: name }, 'removed; its state stays')
      this.runs.delete(name)
      this.gone.push(run)
    }
    this.gone.push(...(await this.superseded()))
    await worker.update(this.announce())
    for (const run of [...this.gone]) {
      await run.close()
      this.gone.splice(this.gone.indexOf(run), 1)
    }
  }

  /** A topology that is seen to change here was declared later than what it replaces, whatever its file's time says. */
  private async open(topology: AnyTopology): Promise<Run> {
    const before = this.runs.get(topology.name)?.flow
    const opened = await this.options.open(topology)
    const earliest = before === undefined ? 0 : before.declaredAt + Number(before.definition !== opened.flow.definition)
    const declaredAt = Math.max(opened.flow.declaredAt, earliest)
    const flow: Flow = { ...opened.flow, declaredAt }
    const run = { topology, identity: identityOf(topology), flow, close: () => opened.close() }
    this.runs.set(topology.name, run)
    return run
  }

  private async refuse(topology: AnyTopology, before: Run | undefined, error: unknown): Promise<void> {
    const { name } = topology
    const opened = this.runs.get(name)
    if (opened !== before) await opened?.close()
    if (before) this.runs.set(name, before)
    else this.runs.delete(name)
    const reason = error instanceof Error ? error.message : String(error)
    this.refused.set(name, reason)
    const code = error instanceof MillraceError ? error.code : 'unexpected'
    this.options.log.error({ topology: name, code, reason }, 'not taken up; what ran before goes on')
  }

  /** Of the replaced generations those that serve no more, or that have come back. */
  private async superseded(): Promise<Run[]> {
    const over = await Promise.all(
      this.replaced.map(async ({ topology: { name, generation } }) => {
        const now = this.runs.get(name)?.topology.generation
        return (
          now === undefined || now === generation || (await this.options.store.alias(name)) !== `${name}@${generation}`
        )
      }),
    )
    const [gone, kept] = [true, false].map((is) => this.replaced.filter((_, i) => over[i] === is)) as [Run[], Run[]]
    for (const { topology } of gone)
      this.options.log.info({ topology: topology.name, generation: topology.generation }, 'serves no more; stopped')
    this.replaced = kept
    return gone
  }

  private announce(): readonly Flow[] {
    const flows = [...this.runs.values(), ...this.replaced].map(({ flow }) => flow)
    this.options.changed(flows, this.topologies)
    return flows
  }

  private async tend(): Promise<void> {
    const { clock, log } = this.options
    for (;;) {
      await clock.wait(TEND_EVERY, this.stopping.signal)
      if (this.stopping.signal.aborted) return
      if (!this.isPending && this.refused.size === 0 && this.replaced.length === 0) continue
      await this.change().catch((error: unknown) => log.warn({ reason: String(error) }, 'not taken up; trying again'))
    }
  }

  private rebuilt(topologies: readonly AnyTopology[]): Promise<readonly AnyTopology[]> {
    return Promise.all(topologies.map((topology) => withRebuild(topology, this.options.state)))
  }
}

/** The definition, and the schemas it was checked against. */
function identityOf({ generation, definition, sources, tables }: AnyTopology): string {
  return JSON.stringify([generation, definition, [...sources, ...tables].map(({ name, schema }) => [name, schema])])
}

/** Does another generation of it have to catch up first? Not where it could no longer read its topics as it was declared. */
function servesUntilReplaced(before: AnyTopology, after: AnyTopology): boolean {
  if (before.generation === after.generation || before.kind !== 'features' || before.kind !== after.kind) return false
  const schemas = new Map(after.sources.map(({ name, schema }) => [name, JSON.stringify(schema)]))
  return (
    before.outputs.some(({ kind }) => kind === 'store') &&
    before.sources.every(({ name, schema }) => (schemas.get(name) ?? JSON.stringify(schema)) === JSON.stringify(schema))
  )
}
