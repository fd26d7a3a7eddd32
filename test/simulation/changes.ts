/** What an operator changes in the declarations while workers run: topologies come and go, and get other features or another generation. */
import { ByteReader } from '../../src/core/bytes.ts'
import type { Millis, OpenState, TaskId } from '../../src/core/model.ts'
import { type Deployed, definitionOf } from './flows.ts'
import { isFuture } from './producer.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** So long after a window feature came back, all that is in its window came since: as long as the window and its resolution. */
const FULL_AFTER = 21_000

/** Since when tasks compute what they compute: workers take up what is declared when they can. */
export class Definitions {
  private readonly world: World
  private readonly known = new Map<TaskId, { readonly definition: string; readonly since: Millis }>()

  constructor(world: World) {
    this.world = world
  }

  committed({ task, meta }: OpenState): void {
    if (!task.startsWith('reduce/')) return
    const definition = new ByteReader(meta).text()
    if (this.known.get(task)?.definition !== definition) this.known.set(task, { definition, since: this.latest() })
  }

  /** No event that was applied before is later. Infinity: it computes something else still, or has not committed since. */
  since(task: TaskId, deployed: Deployed): Millis {
    const known = this.known.get(task)
    return known?.definition === definitionOf(deployed) ? known.since : Number.POSITIVE_INFINITY
  }

  /** No time that a task knows of is later: the wall clock may have been set back since it came. */
  private latest(): Millis {
    const { clock, producer, running } = this.world
    const sent = producer.sent.filter((one) => !isFuture(one)).map(({ event }) => event?.at ?? Number.NEGATIVE_INFINITY)
    const tasks = running.flatMap(({ worker }) => worker?.status() ?? [])
    return Math.max(clock.now(), ...sent, ...tasks.map(({ clock = Number.NEGATIVE_INFINITY }) => clock))
  }
}

export class Changes {
  private readonly world: World
  private readonly random: Random
  private made = 1

  constructor(world: World, random: Random) {
    this.world = world
    this.random = random
  }

  /** One change. */
  strike(): void {
    const { world, random } = this
    const { options, deployed } = world
    const [load, ...others] = deployed as [Deployed, ...Deployed[]]
    const kind = random.int(3)
    if (kind === 0)
      world.declare(others.length > 0 ? [load] : [load, { ...world.declared('twin'), declaredAt: ++this.made }])
    else if (kind === 1 && options.features === 'all') world.declare([this.withOtherFeatures(load), ...others])
    else if (kind === 2 && options.features !== 'closing') world.declare([this.asNewGeneration(load), ...others])
  }

  private withOtherFeatures(load: Deployed): Deployed {
    const declaredAt = ++this.made
    if (load.features === 'all') return { ...load, declaredAt, features: 'fewer' }
    const certain = new Map([
      ['coarse', FULL_AFTER],
      ['total_sum', Number.POSITIVE_INFINITY],
      ['last', Number.POSITIVE_INFINITY],
    ])
    return { ...load, declaredAt, features: 'all', certain }
  }

  private asNewGeneration(load: Deployed): Deployed {
    const generation = `g${++this.made}`
    const sentBefore = this.world.producer.sent.length
    return { ...load, base: generation, generation, declaredAt: this.made, certain: new Map(), sentBefore }
  }
}
