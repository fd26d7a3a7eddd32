import { describe, expect, it } from 'vitest'
import type { InputRecord } from '../../src/core/model.ts'
import { Inbox } from '../../src/engine/inbox.ts'
import { share } from '../../src/engine/shared-batch.ts'

const recordAt = (position: number): InputRecord => ({ position, timestamp: 0, key: null, value: null, headers: {} })
/** Records at these positions; the log goes on at `next`. */
const batchOf = (positions: readonly number[], next = (positions.at(-1) ?? 0) + 1, end = next) =>
  share(
    { topic: 'events', partition: 0, records: positions.map(recordAt), next, end },
    () => {
      throw new Error('nothing is decoded here')
    },
    false,
  )
/** Positions of all that is taken, so many at a time. */
function taken(inbox: Inbox, max = 100): number[][] {
  const found: number[][] = []
  for (let slice = inbox.take(max); slice; slice = inbox.take(max))
    found.push([...slice.batch.records.slice(slice.from, slice.to).map(({ position }) => position), slice.next])
  return found
}
/** Has it ended, once all that can go on has? */
async function hasEnded(promise: Promise<unknown>): Promise<boolean> {
  let ended = false
  void promise.then(() => {
    ended = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  return ended
}
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

describe('what a task still has to do', () => {
  it('is ready where the records of its next batch can be decoded', async () => {
    const inbox = new Inbox(10)
    expect(await inbox.isReady()).toBe(false)
    const ready = [async () => undefined, () => Promise.reject(new Error('no registry'))]
    for (const [i, one] of ready.entries()) inbox.offer({ ...batchOf([i]), ready: one })
    expect(await inbox.isReady()).toBe(true)
    inbox.take(1)
    expect(await inbox.isReady()).toBe(false)
    expect(inbox.waiting).toBe(1)
  })

  it('is given out in order, each record once, whatever of it is offered again', () => {
    const inbox = new Inbox(100)
    inbox.offer(batchOf([0, 1, 2]))
    inbox.offer(batchOf([1, 2]))
    inbox.offer(batchOf([2, 3, 7], 9, 20))
    expect(taken(inbox)).toEqual([
      [0, 1, 2, 3],
      [3, 7, 9],
    ])
    expect([inbox.want, inbox.end]).toEqual([9, 20])
  })

  it('is given out in parts, which say where to go on from', () => {
    const inbox = new Inbox(100)
    inbox.offer(batchOf([0, 5, 6, 8], 12))
    expect(taken(inbox, 3)).toEqual([
      [0, 5, 6, 7],
      [8, 12],
    ])
  })

  it('may be nothing but the knowledge that the log goes on', () => {
    const inbox = new Inbox(100)
    inbox.offer(batchOf([], 5))
    expect(taken(inbox)).toEqual([[5]])
  })

  it('is forgotten when it goes on elsewhere, or ends', () => {
    const inbox = new Inbox(2)
    inbox.offer(batchOf([0, 1, 2]))
    inbox.reset(10)
    expect([inbox.waiting, inbox.isFull, inbox.want]).toEqual([0, false, 10])
    inbox.offer(batchOf([9]))
    expect(inbox.waiting).toBe(0)
    inbox.offer(batchOf([10, 11]))
    inbox.close()
    expect([inbox.waiting, inbox.isFull]).toEqual([0, false])
    inbox.offer(batchOf([12]))
    expect(inbox.waiting).toBe(0)
  })
})

describe('what is known of the log', () => {
  it('is its end as it was last read, also where nothing of that is new here', () => {
    const inbox = new Inbox(10)
    inbox.offer(batchOf([0, 1], 2, 5))
    inbox.offer(batchOf([0, 1], 2, 9))
    expect([inbox.end, inbox.want, inbox.waiting]).toEqual([9, 2, 1])
    inbox.offer(batchOf([2], 3, 4))
    expect([inbox.end, inbox.want, inbox.waiting]).toEqual([9, 3, 2])
  })
})

describe('room', () => {
  it('counts records that are new here and have not been taken', () => {
    const inbox = new Inbox(4)
    inbox.offer(batchOf([0, 1, 2]))
    inbox.offer(batchOf([1, 2]))
    expect(inbox.isFull).toBe(false)
    inbox.offer(batchOf([1, 2, 3]))
    expect(inbox.isFull).toBe(true)
    expect(inbox.take(3)?.to).toBe(3)
    expect(inbox.isFull).toBe(false)
    inbox.offer(batchOf([4, 5]))
    expect(inbox.isFull).toBe(false)
    inbox.offer(batchOf([6]))
    expect(inbox.isFull).toBe(true)
    expect(inbox.take(9)).toMatchObject({ from: 2, to: 3, next: 4 })
    expect(inbox.isFull).toBe(false)
    inbox.offer(batchOf([7]))
    expect(inbox.isFull).toBe(true)
  })

  it('is there for all who wait for it', async () => {
    const inbox = new Inbox(1)
    inbox.offer(batchOf([0]))
    const rooms = [inbox.hasRoom, inbox.hasRoom]
    inbox.reset(5)
    await Promise.all(rooms)
  })

  it('is there until the limit is reached, and again once enough was taken', async () => {
    const inbox = new Inbox(3)
    await inbox.hasRoom
    inbox.offer(batchOf([0, 1, 2, 3]))
    const room = inbox.hasRoom
    expect(await hasEnded(room)).toBe(false)
    inbox.take(1)
    expect(await hasEnded(room)).toBe(false)
    inbox.take(1)
    expect(await hasEnded(room)).toBe(true)
  })

  it('is no longer waited for when it ends', async () => {
    const inbox = new Inbox(1)
    inbox.offer(batchOf([0]))
    const room = inbox.hasRoom
    inbox.close()
    await room
  })
})

describe('who waits', () => {
  it('is not woken by what comes after it', async () => {
    const inbox = new Inbox(10)
    const aborted: string[] = []
    const soon = (what: string) => async (signal: AbortSignal) => {
      signal.addEventListener('abort', () => aborted.push(what))
    }
    await inbox.ready(soon('ready'))
    inbox.offer(batchOf([0, 1]))
    inbox.nudge()
    expect(aborted).toEqual([])
  })

  it('for anything goes on at once when there is something, and else with the next that comes', async () => {
    const inbox = new Inbox(10)
    const waiting = inbox.ready(untilAborted)
    expect(await hasEnded(waiting)).toBe(false)
    inbox.offer(batchOf([0]))
    await waiting
    await inbox.ready(untilAborted)
  })

  it('goes on when it is nudged, and when it ends', async () => {
    const inbox = new Inbox(10)
    const nudged = inbox.ready(untilAborted)
    inbox.nudge()
    await nudged
    const closed = inbox.ready(untilAborted)
    inbox.close()
    await closed
    await inbox.ready(untilAborted)
  })

  it('does not wait once it was nudged, until it begins anew', async () => {
    const inbox = new Inbox(10)
    inbox.nudge()
    await inbox.ready(untilAborted)
    inbox.reset(0)
    expect(await hasEnded(inbox.ready(untilAborted))).toBe(false)
  })
})
