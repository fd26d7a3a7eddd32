/** Which server holds a key: one for all of them, or the primaries of a cluster. */
import type { Cluster, Redis } from 'ioredis'
import { MillraceError } from '../../core/errors.ts'
import type { Millis } from '../../core/model.ts'
import { SLOTS, slotOf, tagOf } from './slot.ts'

/** A server that is written to, with those of the keys asked for that it holds. */
export interface Primary {
  readonly client: Redis
  /** A key with this in braces is kept here; empty where all keys are. */
  readonly tag: string
  /** Indexes of the keys that it holds; those of one group may be touched by one call. */
  readonly groups: readonly (readonly number[])[]
}

const AGAIN_AFTER_MS = 50

export interface Servers {
  /** Resolves when it is connected. Throws `store-failed` when that takes too long. */
  primaryOf(key: string): Promise<Redis>
  /** All that there are, also those that hold none of the keys. */
  primaries(keys: readonly string[]): Promise<readonly Primary[]>
  /** After an error of a call: true when the call was not made, since the keys are elsewhere, where they are now known to be. */
  moved(error: Error): Promise<boolean>
  close(): Promise<void>
}

/**
 * ioredis ends a connection for good when a sentinel announces a failover while it connects: its failover detector closes the
 * connector under it. So what ends before `close` is connected again.
 */
export function oneServer(client: Redis, timeout: Millis, reason: () => string): Servers {
  let again: NodeJS.Timeout | undefined
  const connectAgain = () => {
    again = setTimeout(() => client.connect().catch(() => undefined), AGAIN_AFTER_MS)
  }
  client.on('end', connectAgain)
  const connected = async () => {
    if (client.status !== 'ready') await ready(client, timeout, reason)
    return client
  }
  return {
    primaryOf: connected,
    primaries: async (keys) => [{ client: await connected(), tag: '', groups: keys.length ? [[...keys.keys()]] : [] }],
    moved: async () => false,
    async close() {
      client.off('end', connectAgain)
      clearTimeout(again)
      if (client.status === 'ready') await client.quit().catch(() => undefined)
      client.disconnect()
    },
  }
}

/**
 * Calls are made at the connections of the nodes themselves, so that a cluster promises what one server does: what one call sends
 * goes over one connection, in order, and nothing is sent again behind its back.
 */
export function clusterServers(cluster: Cluster, timeout: Millis, reason: () => string): Servers {
  /** The lowest slot of each primary, by its address; until the slots are asked for again. */
  let lowest: ReadonlyMap<string, number> | undefined
  cluster.on('refresh', () => {
    lowest = undefined
  })
  const connected = async () => {
    if (cluster.status !== 'ready') await ready(cluster, timeout, reason)
  }
  const refresh = () => new Promise<void>((done) => cluster.refreshSlotsCache(() => done()))
  const nodeAt = async (slot: number): Promise<Redis> => {
    for (let attempt = 0; attempt < 2; attempt++) {
      const address = cluster.slots[slot]?.[0]
      const node = cluster.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address)
      if (node) return node
      await refresh()
    }
    throw new MillraceError('store-failed', `Redis: no primary of the cluster serves slot ${slot} now`)
  }
  return {
    async primaryOf(key) {
      await connected()
      return nodeAt(slotOf(key))
    },
    async primaries(keys) {
      await connected()
      lowest ??= lowestSlots(cluster.slots)
      const bySlot = Map.groupBy(keys.keys(), (index) => slotOf(keys[index] as string))
      return Promise.all(
        [...lowest].map(async ([address, slot]) => ({
          client: await nodeAt(slot),
          tag: tagOf(slot),
          groups: [...bySlot].filter(([of]) => cluster.slots[of]?.[0] === address).map(([, group]) => group),
        })),
      )
    },
    async moved({ message }) {
      await refresh()
      return message.startsWith('MOVED ')
    },
    async close() {
      await cluster.quit().catch(() => undefined)
      cluster.disconnect()
    },
  }
}

function lowestSlots(slots: readonly (readonly string[] | undefined)[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (let slot = 0; slot < SLOTS; slot++) {
    const address = slots[slot]?.[0]
    if (address === undefined)
      throw new MillraceError('store-failed', `Redis: nobody in the cluster serves slot ${slot}`)
    if (!found.has(address)) found.set(address, slot)
  }
  return found
}

function ready(client: Redis | Cluster, timeoutMs: number, reason: () => string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const failed = () => reject(new MillraceError('store-failed', `Redis: ${reason()}`))
  const timer = setTimeout(failed, timeoutMs)
  client.once('ready', resolve)
  client.once('end', failed)
  return promise.finally(() => {
    clearTimeout(timer)
    client.off('ready', resolve)
    client.off('end', failed)
  })
}
