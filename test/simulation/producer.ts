/** Writes the events of a world, and remembers them. */
import { partitionOf } from '../../src/core/key.ts'
import type { Draft, InputRecord, Partition } from '../../src/core/model.ts'
import { NAME_HEADER } from '../../src/engine/repeats.ts'
import type { TestEvent } from './features.ts'
import { MADE, readBy, sourcesOf } from './flows.ts'
import { HIDDEN } from './groups.ts'
import type { Random } from './random.ts'
import { SETTINGS, type World } from './world.ts'

/** A record as it stands in a topic; without an event it is poison. */
export interface Sent extends Partition {
  /** `<topic>#<incarnation>/<partition>`. */
  readonly source: string
  readonly position: number
  readonly timestamp: number
  readonly event: TestEvent | undefined
}

export const isFuture = ({ event, timestamp }: Sent): boolean =>
  event !== undefined && event.at > timestamp + SETTINGS.skew

/** Are rows made of it? */
export const isCounted = (one: Sent): boolean =>
  one.event !== undefined && one.event.thing !== 'ignored' && !isFuture(one)

/** Does code of one's own fail at its row? */
export const isRefused = (one: Sent): boolean =>
  isCounted(one) && one.event?.fails !== undefined && one.event.fails !== 'make'

export class Producer {
  readonly sent: Sent[] = []
  private readonly world: World
  private readonly random: Random
  private made = 0

  constructor(world: World, random: Random) {
    this.world = world
    this.random = random
  }

  /** Some events, one after the other. */
  async produce(): Promise<void> {
    const { options, prices } = this.world
    for (let n = 1 + this.random.int(options.events); n > 0; n--) {
      if (options.tables && !prices.isStill && this.random.chance(0.3)) await this.write(prices.draft())
      await this.one()
    }
  }

  private async one(): Promise<void> {
    const { random, world } = this
    const { options } = world
    const drawn = this.event()
    const isPoison = random.chance(0.05)
    const isMarker = random.chance(0.1)
    const topic = random.pick(sourcesOf(options))
    const partitions = world.log.partitions(topic)
    const anywhere = random.int(partitions)
    const partition = options.shape === 'direct' ? partitionOf(drawn.key, partitions) : anywhere
    const incarnation = (await world.log.topics([topic])).get(topic)?.incarnation
    const source = `${topic}#${incarnation}/${partition}`
    const event = { ...drawn, from: source }
    if (options.markers && isMarker)
      await this.write({ topic, partition, key: null, value: null, headers: { [HIDDEN]: '1' } })
    const poison = options.poison && isPoison
    const value = poison ? `poison ${event.id}` : JSON.stringify(event)
    await this.write({ topic, partition, key: null, value: Buffer.from(value) })
    const sent = {
      topic,
      partition,
      source,
      position: world.log.end({ topic, partition }) - 1,
      timestamp: world.clock.now(),
      event: poison ? undefined : event,
    }
    this.sent.push(sent)
    world.kept.sent(sent)
  }

  private write(draft: Draft): Promise<void> {
    this.world.trace.note('produce', draft.topic, draft.partition, draft.value)
    return this.world.log.write([{ ...draft, timestamp: this.world.clock.now() }])
  }

  private event(): Omit<TestEvent, 'from'> {
    const { random, world } = this
    const now = world.clock.now()
    const late = random.chance(0.1) ? random.int(25_000) : random.int(2_000)
    const future = random.chance(0.05) ? 1 + random.int(2 * SETTINGS.skew) : 0
    const at = world.options.poison && future > 0 ? now + future : now - late
    const fails = random.chance(0.06) ? random.pick(['make', 'apply', 'evaluate'] as const) : undefined
    return {
      id: `e${++this.made}`,
      key: `k${random.int(world.options.keys)}`,
      at: random.chance(0.2) ? Math.floor(at / 1_000) * 1_000 : at,
      value: random.int(1_000),
      thing: random.chance(0.05) ? 'ignored' : `t${random.int(4)}`,
      kind: random.pick(['open', 'close', 'other']),
      ...(fails && world.options.own ? { fails } : {}),
    }
  }

  /** What features are made of: what was sent, or what a transform made of it, each once. */
  async input(): Promise<Sent[]> {
    const { log, options } = this.world
    if (!readBy(options).includes(MADE)) return this.sent
    const input: Sent[] = []
    const incarnation = (await log.topics([MADE])).get(MADE)?.incarnation
    for (let partition = 0; partition < log.partitions(MADE); partition++) {
      const names = new Set<string>()
      for (const record of await recordsOf(this.world, { topic: MADE, partition })) {
        const name = String(record.headers[NAME_HEADER])
        if (names.has(name)) continue
        names.add(name)
        const { position, timestamp } = record
        const event = JSON.parse(String(record.value)) as TestEvent
        input.push({
          topic: MADE,
          partition,
          source: `${MADE}#${incarnation}/${partition}`,
          position,
          timestamp,
          event,
        })
      }
    }
    return input
  }
}

/** All records of a partition. */
export async function recordsOf({ log }: World, partition: Partition): Promise<InputRecord[]> {
  const records: InputRecord[] = []
  for (let at = 0; at < log.end(partition); ) {
    const batch = await log.read(partition, at)
    records.push(...batch.records)
    at = batch.next
  }
  return records
}
