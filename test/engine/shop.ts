/** A world with a transform in front of its features: what the features read is made of `source`. */
import type { FeatureFlow, InputRecord, TransformFlow } from '../../src/core/model.ts'
import { type TestEvent, World, type WorldOptions } from './world.ts'

export const SOURCE = 'source'
export const MADE = 'made'
export const SOURCE_PARTITIONS = 3

/** As many events of one as its value says, up to three, under keys of their own. */
export function madeOf(event: TestEvent): TestEvent[] {
  return Array.from({ length: event.value % 4 }, (_, i) => ({
    ...event,
    key: `${event.key}${i}`,
    value: event.value + i,
  }))
}

export function transformFlow(changes: Partial<TransformFlow> = {}): TransformFlow {
  return {
    name: 'split',
    generation: 'once',
    definition: 'd1',
    declaredAt: 1,
    start: 'earliest',
    shuffle: undefined,
    direct: undefined,
    tables: [],
    writes: [MADE],
    sources: [
      {
        topic: SOURCE,
        fields: [],
        named: false,
        make: (event) =>
          madeOf(event as unknown as TestEvent).map((made, index) => ({
            topic: MADE,
            index,
            key: made.key,
            value: Buffer.from(JSON.stringify(made)),
          })),
      },
    ],
    ...changes,
  }
}

/** The features of a world that reads what a transform makes, knowing that it is named. */
export const reader = (world: World): FeatureFlow => ({
  ...world.flow,
  sources: world.flow.sources.map((source) => ({ ...source, named: true })),
})

export async function createShop(options: WorldOptions = {}): Promise<World> {
  const world = await World.create({ topics: { [MADE]: 2 }, ...options })
  await world.transport.create({ name: SOURCE, partitions: SOURCE_PARTITIONS, retentionMs: -1 })
  return world
}

/** Writes events to the source; what is made of them is what features are held against. */
export async function send(world: World, partition: number, ...events: TestEvent[]): Promise<void> {
  world.sent.push(...events.flatMap(madeOf))
  await world.write(
    events.map((event) => ({
      topic: SOURCE,
      partition,
      key: null,
      value: Buffer.from(JSON.stringify(event)),
      timestamp: world.clock.now(),
    })),
  )
}

export const nameIn = ({ headers }: InputRecord): string => String(headers['millrace-id'])

/** What stands in the topic: each name once, as it was first met in its partition. */
export async function firstOfEachName(world: World, topic = MADE): Promise<ReadonlyMap<string, InputRecord>> {
  const found = new Map<string, InputRecord>()
  for (const record of world.transport.records(topic)) if (!found.has(nameIn(record))) found.set(nameIn(record), record)
  return found
}
