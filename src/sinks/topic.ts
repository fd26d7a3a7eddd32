import { z } from 'zod'
import { RecordError } from '../core/errors.ts'
import { entityParts } from '../core/key.ts'
import type {
  Draft,
  Emission,
  EmissionBatch,
  Encoder,
  FeatureValue,
  Sink,
  SinkContext,
  SinkResult,
  Transport,
} from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { writeFitting } from '../core/write-fitting.ts'

const config = z.strictObject({
  topic: z.string().describe('Name of the topic; made when it does not exist.'),
})
type Config = z.infer<typeof config>

/** Results written in one call: about as many as go into one request. Their records are made for it, and gone after it. */
const PAGE = 4_000
const RETENTION_MS = 7 * 24 * 3_600_000

/** Writes each result as an Avro record, keyed by the entity, to a topic whose schema is derived from the features. */
export async function openTopicSink({ topic }: Config, context: SinkContext): Promise<Sink> {
  const { transport, schema, partitions, namespace } = context
  if (!(await transport.topics([topic])).has(topic))
    await transport.create({ name: topic, partitions, retentionMs: RETENTION_MS, stampedByLog: true })
  const encoder = await context.encoder(`${topic}-value`, schema)
  return {
    write: async (batch) => {
      const draft = drafter(topic, namespace, batch, encoder, context)
      const refused: Refused[] = []
      for (let from = 0; from < batch.emissions.length; from += PAGE)
        await writePage(transport, batch.emissions.slice(from, from + PAGE), from, draft, refused)
      return { safe: batch.upto, refused }
    },
    close: async () => undefined,
  }
}

type Refused = NonNullable<SinkResult['refused']>[number]

/** `from`: index of the first emission in its batch. */
async function writePage(
  transport: Transport,
  emissions: readonly Emission[],
  from: number,
  draft: (emission: Emission) => Draft,
  refused: Refused[],
): Promise<void> {
  const drafts: [Draft][] = []
  const indexes: number[] = []
  for (const [i, emission] of emissions.entries()) {
    try {
      drafts.push([draft(emission)])
      indexes.push(from + i)
    } catch (error) {
      if (!(error instanceof RecordError)) throw error
      refused.push({ index: from + i, code: error.code, reason: error.message })
    }
  }
  for (const [i, { code, message }] of await writeFitting(transport, drafts))
    refused.push({ index: indexes[i] as number, code, reason: message })
}

function drafter(
  topic: string,
  namespace: string,
  { task, version: { generation, epoch, step } }: EmissionBatch,
  encoder: Encoder,
  context: SinkContext,
): (emission: Emission) => Draft {
  const from = `${namespace}/${task.slice(task.lastIndexOf('/') + 1)}`
  const version = `${generation}.${epoch}.${step}`
  // one for all: each has the same fields, and what is encoded is not kept
  const record: Record<string, unknown> = {}
  return (emission) => ({
    topic,
    key: emission.key,
    value: emission.values === null ? null : encoder.encode(fill(record, emission, emission.values, context)),
    headers: { 'millrace-id': `${from}/${emission.key}@${emission.cause}`, 'millrace-version': version },
  })
}

function fill(
  record: Record<string, unknown>,
  { key, at }: Emission,
  values: readonly FeatureValue[],
  { keyFields, features }: SinkContext,
): Record<string, unknown> {
  record.at = at
  const parts = entityParts(key, keyFields.length)
  for (let i = 0; i < keyFields.length; i++) record[keyFields[i] as string] = parts[i]
  for (let i = 0; i < features.length; i++) record[features[i] as string] = values[i]
  return record
}

const part: Part<Config, (context: SinkContext) => Promise<Sink>> = {
  summary: 'Publishes every result as an Avro record, keyed by the entity.',
  config,
  example: 'to: [{ topic: store-features }]',
  notes:
    'At least once, with names: the headers `millrace-id` (drops repeats) and `millrace-version` (generation.epoch.step: keep the highest per key, of equal ones the later). With `emit: each` one record per event. A forgotten entity is a record without a value.',
  open: (settings) => (context) => openTopicSink(settings, context),
}
export default part
