import { describe, expect, it } from 'vitest'
import type { Range } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { Silence } from '../../src/engine/silence.ts'
import type { Attested, TaskContext } from '../../src/engine/task.ts'
import { SETTINGS } from './settings.ts'

const PLACE = { topic: 'orders', partition: 1 }

/** A log of two partitions that was asked at `at`, or cannot be asked; `warned`: what is said of that. */
function world() {
  const log = { at: 0, end: 5, fails: false, warned: [] as unknown[] }
  const ends = async (): Promise<Attested> => {
    if (log.fails) throw new Error('no broker')
    return { at: log.at, ranges: [{ start: 0, end: 99 }, ...(log.end < 0 ? [] : [{ start: 0, end: log.end }])] }
  }
  const context = { ends, settings: SETTINGS, log: { ...SILENT, warn: (about: object) => log.warned.push(about) } }
  return { log, silence: new Silence(PLACE, context as unknown as TaskContext) }
}

describe('silence', () => {
  it('is long once nothing has come for the idle time, from when the log was first found read to its end', async () => {
    const { log, silence } = world()
    const found: unknown[] = []
    for (log.at of [10_000, 11_999, 12_000, 15_000]) found.push(await silence.after(5))
    expect(found).toEqual([
      { at: 10_000, isLong: false },
      { at: 11_999, isLong: false },
      { at: 12_000, isLong: true },
      { at: 15_000, isLong: true },
    ])
  })

  it('is none while records are to be read, and begins anew after them', async () => {
    const { log, silence } = world()
    await silence.after(5)
    log.at = 3_000
    log.end = 6
    expect(await silence.after(5)).toBeUndefined()
    log.at = 4_000
    expect(await silence.after(6)).toEqual({ at: 4_000, isLong: false })
    log.at = 6_000
    silence.end()
    expect(await silence.after(6)).toEqual({ at: 6_000, isLong: false })
  })

  it('is none where the partition cannot be seen in the log', async () => {
    const { log, silence } = world()
    log.end = -1
    expect(await silence.after(1e15)).toBeUndefined()
  })

  it('cannot be told while the log cannot be asked, which is said until it can, or something comes', async () => {
    const { log, silence } = world()
    await silence.after(5)
    log.fails = true
    log.at = 9_000
    expect(await silence.after(5)).toBeUndefined()
    expect(silence.trouble).toBe('asking for the end of orders: no broker')
    expect(log.warned).toEqual([{ ...PLACE, position: 5, reason: silence.trouble }])
    log.fails = false
    expect(await silence.after(5), 'what passed meanwhile is not known').toEqual({ at: 9_000, isLong: false })
    expect(silence.trouble).toBeUndefined()
    log.fails = true
    await silence.after(5)
    silence.end()
    expect(silence.trouble).toBeUndefined()
  })

  it('shows what the log answered before it is judged', async () => {
    const { silence } = world()
    const seen: (readonly Pick<Range, 'end'>[])[] = []
    await silence.after(3, (ranges) => seen.push(ranges))
    expect(seen).toEqual([
      [
        { start: 0, end: 99 },
        { start: 0, end: 5 },
      ],
    ])
  })
})
