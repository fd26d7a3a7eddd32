import { describe, expect, it } from 'vitest'
import { RecordError } from '../../src/core/errors.ts'
import type { Batch, Decoder, InputRecord } from '../../src/core/model.ts'
import { share } from '../../src/engine/shared-batch.ts'

const batch: Batch = {
  topic: 'orders',
  partition: 0,
  records: [0, 1, 2].map((position) => ({ position }) as InputRecord),
  next: 3,
  end: 3,
}

/** `calls` says what was asked of decoders, and of which topic one was asked for. */
function shared(keep: boolean, { fails = 0 } = {}) {
  const calls: string[] = []
  const decoder: Decoder = {
    prepare: async (records) => {
      calls.push(`prepare ${records.length}`)
      if (fails-- > 0) throw new Error('no registry')
    },
    record: ({ position }) => {
      calls.push(`record ${position}`)
      if (position === 1) throw new RecordError('record-malformed', 'no')
      if (position === 2) throw new TypeError('a fault of the decoder')
      return { position }
    },
  }
  const decoderOf = (topic: string) => {
    calls.push(topic)
    return decoder
  }
  return { calls, it: share(batch, decoderOf, keep) }
}

describe('a batch that tasks share', () => {
  it('is made ready once, by the decoder of that moment', async () => {
    const { calls, it: batch } = shared(true)
    expect(calls).toEqual([])
    await batch.ready()
    await batch.ready()
    expect(calls).toEqual(['orders', 'prepare 3'])
  })

  it('is made ready once though several ask before it is', async () => {
    const { calls, it: batch } = shared(true)
    await Promise.all([batch.ready(), batch.ready()])
    expect(calls).toEqual(['orders', 'prepare 3'])
  })

  it('is tried again when the registry could not be reached', async () => {
    const { calls, it: batch } = shared(true, { fails: 1 })
    await expect(batch.ready()).rejects.toThrow('no registry')
    await batch.ready()
    expect(calls).toEqual(['orders', 'prepare 3', 'prepare 3'])
  })

  it.each([
    [true, ['record 0', 'record 1']],
    [false, ['record 0', 'record 0', 'record 1', 'record 1']],
  ])('keeps what was decoded where others will ask for it (%s)', async (keep, asked) => {
    const { calls, it: batch } = shared(keep)
    await batch.ready()
    calls.length = 0
    for (const _ of [1, 2]) expect(batch.event(0)).toEqual({ position: 0 })
    for (const _ of [1, 2]) expect(batch.event(1)).toBeInstanceOf(RecordError)
    expect(calls).toEqual(asked)
  })

  it('does not take a fault of the decoder for one of the record', async () => {
    const { it: batch } = shared(true)
    await batch.ready()
    expect(() => batch.event(2)).toThrow(TypeError)
  })
})
