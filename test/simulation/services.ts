/** The services as one machine has them: the ones in memory, at the other end of the network. */
import type {
  Batch,
  Draft,
  FeatureStore,
  MemberEvents,
  Membership,
  OpenState,
  Partition,
  Position,
  State,
  StateChange,
  TaskId,
  Transport,
} from '../../src/core/model.ts'
import type { MemoryState } from '../../src/testing/memory-state.ts'
import type { MemoryStore } from '../../src/testing/memory-store.ts'
import type { MemoryTransport } from '../../src/testing/memory-transport.ts'
import type { Before, Commits } from './commits.ts'
import type { Groups } from './groups.ts'
import type { Host } from './host.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'

/** Told of records that are sent, and of those that stand in their topic. */
export interface WatchesRecords {
  sent(draft: Draft): void
  stands(draft: Draft): void
}

/** Told of what the state takes. */
export interface WatchesState {
  claimed(open: OpenState): void
  committed(open: OpenState, before: Before): void
}

export function transportOf(
  log: MemoryTransport,
  groups: Groups,
  host: Host,
  network: Network,
  random: Random,
  watch: WatchesRecords,
): Transport {
  const send = <T>(what: string, all: () => Promise<T>, note?: (answer: T) => string) =>
    network.send(host, what, { all }, true, note)
  return {
    topics: (names) => send('topics', () => log.topics(names)),
    create: (spec) => send(`create ${spec.name}`, () => log.create(spec)),
    deleteTopic: (name) => send(`delete ${name}`, () => log.deleteTopic(name)),
    ranges: (topic) =>
      send(
        `ranges ${topic}`,
        () => log.ranges(topic),
        (ranges) => JSON.stringify(ranges),
      ),
    positionAt: (partition, time) => send('positionAt', () => log.positionAt(partition, time)),
    committed: async (group, topic) =>
      send(`committed ${topic}`, async () =>
        (await log.ranges(topic)).map((_, partition) => groups.committed(group, { topic, partition })),
      ),
    read: (partition: Partition, position: Position): Promise<Batch> =>
      send(
        `read ${partition.topic}/${partition.partition} ${position}`,
        () => groups.read(partition, position),
        ({ next, end }) => `${next} of ${end}`,
      ),
    join: (group: string, topics: readonly string[], on: MemberEvents): Promise<Membership> =>
      network.send(host, 'join', { all: async () => groups.join(host, group, topics, on) }, false),
    write: (drafts) => {
      for (const draft of drafts) watch.sent(draft)
      return write(log, host, network, random, drafts, watch)
    },
    close: async () => undefined,
  }
}

/** What is written to each partition is in its order, but not all of it may be written. */
function write(
  log: MemoryTransport,
  host: Host,
  network: Network,
  random: Random,
  drafts: readonly Draft[],
  watch: WatchesRecords,
): Promise<void> {
  for (const { topic, partition, key, value, headers } of drafts)
    network.trace.note('draft', topic, partition, String(key), value, JSON.stringify(headers ?? {}))
  const append = async (some: readonly Draft[]) => {
    await log.write(some)
    for (const draft of some) watch.stands(draft)
  }
  const all = () => append(drafts)
  // without a partition the key decides: one order for all of these
  const places = [...Map.groupBy(drafts, ({ topic, partition }) => `${topic}/${partition}`).values()]
  const some = () => {
    const first: Draft[] = []
    const rest: Draft[] = []
    for (const place of places) {
      const cut = random.int(place.length + 1)
      first.push(...place.slice(0, cut))
      rest.push(...place.slice(cut))
    }
    void append(first)
    return { rest: () => append(rest) }
  }
  return network.send(host, `write ${drafts.length}`, { all, some })
}

/** A claim is the machine's own: what the store learns of it reaches the machine with the answer. */
export function stateOf(state: MemoryState, host: Host, network: Network, watch: WatchesState): State {
  const onClaim = async <T>(what: string, open: OpenState, all: (claim: OpenState) => Promise<T>): Promise<T> => {
    const claim = { ...open }
    return network.send(host, `${what} ${open.task} ${open.token}`, { all: () => all(claim) })
  }
  return {
    open: (task: TaskId) =>
      network.send(
        host,
        `state.open ${task}`,
        {
          all: async () => {
            const open = await state.open(task)
            watch.claimed(open)
            return open
          },
        },
        true,
        ({ epoch, position, commits }) => `${epoch} at ${position} after ${commits}`,
      ),
    read: (open, keys) => onClaim(`state.read ${keys.join()}`, open, (claim) => state.read(claim, keys)),
    commit: async (open: OpenState, change: StateChange) => {
      const { position, meta, keys } = change
      network.trace.note('commit', position, meta, JSON.stringify([...(change.timers ?? [])]))
      for (const [key, bytes] of keys ?? []) network.trace.note(key, bytes)
      const after = await onClaim(`state.commit ${position} of ${open.commits}`, open, async (claim) => {
        const stored = state.stored(claim.task)
        const before = { timers: new Map(stored?.timers), position: stored?.position }
        await state.commit(claim, change)
        watch.committed(claim, before)
        return claim
      })
      Object.assign(open, after)
    },
    due: (open, until, limit) => onClaim(`state.due ${until}`, open, (claim) => state.due(claim, until, limit)),
    async *scan(open) {
      const claim = { ...open }
      const pages = state.scan(claim)[Symbol.asyncIterator]()
      for (;;) {
        const page = await network.send(host, `state.scan ${open.task}`, { all: () => pages.next() })
        if (page.done) return
        yield page.value
      }
    },
    check: (open) => onClaim('state.check', open, (claim) => state.check(claim)),
    forget: (task) => network.send(host, `state.forget ${task}`, { all: () => state.forget(task) }),
    close: async () => undefined,
  }
}

/** `serves` is told of every namespace that an alias was moved to. */
export function storeOf(
  store: MemoryStore,
  host: Host,
  network: Network,
  commits: Commits,
  serves: (namespace: string) => Promise<void>,
): FeatureStore {
  const send = <T>(what: string, all: () => Promise<T>, note?: (answer: T) => string) =>
    network.send(host, what, { all }, true, note)
  return {
    write: (write) => {
      const { task, version, upto, said, emissions, partial } = write.batch
      network.trace.note('emissions', task, upto, partial, JSON.stringify([version, said, emissions]))
      if (!partial) commits.said(write.batch)
      return send('store.write', () => store.write(write), String)
    },
    mark: (namespace, task) =>
      send(
        `store.mark ${task}`,
        () => store.mark(namespace, task),
        (mark) => JSON.stringify(mark ?? null),
      ),
    read: (namespace, ids) => send('store.read', () => store.read(namespace, ids)),
    readJson: (namespace, ids, names) => send('store.readJson', () => store.readJson(namespace, ids, names)),
    alias: (topology) => send('store.alias', () => store.alias(topology)),
    moveAlias: (topology, namespace, generation) =>
      send(`store.moveAlias ${namespace}`, async () => {
        const before = await store.alias(topology)
        await store.moveAlias(topology, namespace, generation)
        if (before !== namespace && (await store.alias(topology)) === namespace) await serves(namespace)
      }),
    forget: (namespace) => send('store.forget', () => store.forget(namespace)),
    close: async () => undefined,
  }
}
