import avro from 'avsc'
import { expect, it } from 'vitest'
import { avroEncoder } from '../../src/codecs/avro/index.ts'
import { MillraceError } from '../../src/core/errors.ts'
import type { Draft, FeatureType, FeatureValue } from '../../src/core/model.ts'
import { outputSchema } from '../../src/features/compile.ts'
import { openTopicSink } from '../../src/sinks/topic.ts'
import { MemoryStore } from '../../src/testing/memory-store.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'

/** What other programs read of one result, by an Avro library that is not ours. */
async function published(
  types: Readonly<Record<string, FeatureType>>,
  values: readonly FeatureValue[],
  transport = new MemoryTransport(() => 0),
) {
  const names = Object.keys(types)
  const features = names.map((name) => ({
    name,
    type: types[name] as FeatureType,
    default: null,
    as: 'last',
    aggregation: 'lifetime',
    description: undefined,
  }))
  const schema = outputSchema({ name: 'it', entity: 'store', description: undefined, keyFields: ['id'], features })
  const sink = await openTopicSink(
    { topic: 'out' },
    {
      topology: 'it',
      namespace: 'it@1',
      keyFields: ['id'],
      features: names,
      schema,
      partitions: 1,
      store: new MemoryStore(),
      transport,
      encoder: async (_, given) => avroEncoder({ schema: given, id: 1 }),
    },
  )
  const version = { generation: 1, epoch: 2, step: 3 }
  const emissions = [{ key: 's1', at: 5, values, cause: 'p0' }]
  const answer = await sink.write({ task: 'reduce/it@1/0', version, upto: 1, said: undefined, emissions })
  const { records } = await transport.read({ topic: 'out', partition: 0 }, 0)
  const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: false })
  return { answer, record: records[0]?.value && { ...type.fromBuffer(records[0].value.subarray(5)) } }
}

it('publishes numbers, texts and lists in the Avro types that its schema says', async () => {
  const { answer, record } = await published(
    {
      count: 'long',
      mean: 'double',
      city: 'string',
      cities: 'list of string',
      powers: 'list of double',
      none: 'list of long',
    },
    [3, 2.5, 'TURIN', ['TURIN', '東京'], [0.25, 1e300], null],
  )
  expect(answer).toEqual({ safe: 1, refused: [] })
  expect(record).toEqual({
    id: 's1',
    at: 5,
    count: 3,
    mean: 2.5,
    city: 'TURIN',
    cities: ['TURIN', '東京'],
    powers: [0.25, 1e300],
    none: null,
  })
})

it('refuses what does not fit the schema, by its place, and nothing else', async () => {
  const { answer } = await published({ count: 'long' }, ['three'])
  expect(answer.refused).toEqual([
    { index: 0, code: 'value-unfit', reason: 'count: "three" is not a whole number within 2^53' },
  ])
})

it('refuses what the topic never takes, being too large', async () => {
  class Small extends MemoryTransport {
    override async write(drafts: readonly Draft[]): Promise<void> {
      if (drafts.some(({ value }) => (value?.length ?? 0) > 100))
        throw new MillraceError('record-too-large', 'too large')
      await super.write(drafts)
    }
  }
  const { answer } = await published({ city: 'string' }, ['x'.repeat(200)], new Small(() => 0))
  expect(answer).toEqual({ safe: 1, refused: [{ index: 0, code: 'record-too-large', reason: 'too large' }] })
})
