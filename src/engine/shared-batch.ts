import { only, RecordError } from '../core/errors.ts'
import type { Batch, Decoder, Event } from '../core/model.ts'

/** A fetched batch, shared by the tasks that read together. `event` decodes a record once, whoever asks first. */
export interface SharedBatch extends Batch {
  /** Resolves when all records can be decoded; rejects when the registry can't be reached. */
  ready(): Promise<void>
  event(index: number): Event | RecordError
}

/** Decoded when the first task asks, by the decoder of that moment; what was decoded is kept only to be asked for again. */
export function share(batch: Batch, decoderOf: (topic: string) => Decoder, keep: boolean): SharedBatch {
  let decoder: Decoder | undefined
  let prepared: Promise<void> | undefined
  const events: (Event | RecordError | undefined)[] = []
  return {
    ...batch,
    ready: () => {
      decoder ??= decoderOf(batch.topic)
      prepared ??= decoder.prepare(batch.records).catch((error: unknown) => {
        prepared = undefined
        throw error
      })
      return prepared
    },
    event: (index) => {
      const known = events[index]
      if (known !== undefined) return known
      const event = decode(decoder as Decoder, batch, index)
      if (keep) events[index] = event
      return event
    },
  }
}

function decode(decoder: Decoder, batch: Batch, index: number): Event | RecordError {
  try {
    return decoder.record(batch.records[index] as Batch['records'][number])
  } catch (error) {
    return only(RecordError, error)
  }
}
