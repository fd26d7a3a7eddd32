import type { RecordError } from '../core/errors.ts'
import type { Draft, InputRecord, Transport } from '../core/model.ts'
import { writeFitting } from '../core/write-fitting.ts'
import type { Metrics } from './metrics.ts'
import { type Source, sourceName } from './shuffle.ts'

export interface DeadLetter {
  readonly topology: string
  readonly source: Source
  readonly record: InputRecord
  /** Tells it from others of the same place; the record's position when left out. */
  readonly name?: string
  readonly error: RecordError
}

/**
 * The record as it came, with where it came from and why it could not be processed. The name in `millrace-id`
 * is the same each time the record is met, so readers drop repeats.
 */
export function deadLetterDraft(topic: string, { topology, source, record, name, error }: DeadLetter): Draft {
  const from = sourceName(source)
  return {
    topic,
    ...(record.key === null ? { partition: 0 } : {}),
    key: record.key,
    value: record.value,
    timestamp: record.timestamp,
    headers: {
      ...record.headers,
      'millrace-id': `${topology}/${from}/${name ?? record.position}`,
      'millrace-topology': topology,
      'millrace-source-topic': source.topic,
      'millrace-source-partition': String(source.partition),
      'millrace-source-position': String(record.position),
      'millrace-error-code': error.code,
      'millrace-error-reason': error.message.slice(0, 500),
    },
  }
}

/** Keys that are longer are left out, too. */
const LONGEST_KEY = 1_024

/** Of a letter that the log never takes: where it came from and why, and what was left out. */
function withoutValue({ record, ...letter }: DeadLetter, topic: string): Draft {
  const { key, value } = record
  const lean = { ...record, key: key && key.length > LONGEST_KEY ? null : key, value: null, headers: {} }
  const draft = deadLetterDraft(topic, { ...letter, record: lean })
  const leftOut = `value of ${value?.length ?? 0} bytes: the log takes no record so large`
  return { ...draft, headers: { ...draft.headers, 'millrace-left-out': leftOut } }
}

/** Writes dead letters and counts them; resolves when all are durable. Rejects when they can't be written: the task waits, it never skips. */
export class DeadLetters {
  readonly topic: string
  private readonly transport: Transport
  private readonly metrics: Pick<Metrics, 'deadLetters'>

  constructor(transport: Transport, metrics: Pick<Metrics, 'deadLetters'>, topic: string) {
    this.transport = transport
    this.metrics = metrics
    this.topic = topic
  }

  async write(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return
    const drafts = letters.map((letter) => [deadLetterDraft(this.topic, letter)])
    const refused = await writeFitting(this.transport, drafts)
    const lean = letters.filter((_, i) => refused.has(i)).map((letter) => withoutValue(letter, this.topic))
    if (lean.length > 0) await this.transport.write(lean)
    for (const { topology, error } of letters) this.metrics.deadLetters.inc({ topology, code: error.code })
  }
}
