import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { avroDecoder, avroEncoder } from '../../src/codecs/avro/index.ts'
import { registrySuite } from '../../src/testing/registry.ts'
import { input, record, silent } from '../codecs/avro/fixture.ts'
import { describeWith, uniqueName } from '../services/index.ts'
import { type RegistryService, start } from '../services/registry.ts'
import { open } from './fixture.ts'

describeWith(['registry'], 'with a real registry', ({ registry }) => {
  registrySuite({
    name: 'confluent',
    open: async () => {
      const opened = await open(registry.url)
      return { registry: opened, another: async () => open(registry.url), close: () => opened.close() }
    },
  })

  it("writes what Kafka's usual client for registries reads, and reads what that writes", async () => {
    const schema = record([
      { name: 'id', type: 'string' },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ])
    const event = { id: 'o1', kind: 'B', note: 'ñ', at: 1_767_225_600_000 }
    const theirs = new SchemaRegistry({ host: registry.url })
    const ours = await open(registry.url)
    const id = await ours.register(`${uniqueName('orders')}-value`, schema)
    expect({ ...(await theirs.decode(avroEncoder({ schema, id }).encode(event))) }).toEqual(event)

    const decoder = avroDecoder({ registry: ours, schema, fields: [['id'], ['kind'], ['note'], ['at']], log: silent })
    const written = input(await theirs.encode(id, event))
    await decoder.prepare([written])
    expect(decoder.record(written)).toEqual(event)
    await ours.close()
  })

  describe('that goes down', () => {
    let service: RegistryService
    beforeAll(async () => {
      service = await start()
    }, 120_000)
    afterAll(() => service.stop())

    it('makes decoding wait, and go on when it is back: nothing becomes a dead letter', async () => {
      const schema = record([{ name: 'a', type: 'int' }])
      const client = await open(service.url, { retries: 0 })
      const first = await client.register(uniqueName('orders'), schema)
      const wider = record([...schema.fields, { name: 'b', type: 'int', default: 0 }])
      const second = await client.register(uniqueName('orders'), wider)
      await client.close()
      // its database writes half a second late: what a power cut loses there is not what is tried here
      await service.restart()

      const reading = await open(service.url, { retries: 1 })
      const decoder = avroDecoder({ registry: reading, schema, fields: [['a']], log: silent })
      const records = [
        input(avroEncoder({ schema, id: first }).encode({ a: 1 })),
        input(avroEncoder({ schema: wider, id: second }).encode({ a: 2 })),
      ]
      await decoder.prepare(records.slice(0, 1))
      await service.kill9()
      await decoder.prepare(records.slice(0, 1))
      await expect(decoder.prepare(records)).rejects.toMatchObject({ code: 'registry-failed' })
      await service.restart()
      await decoder.prepare(records)
      expect(records.map((one) => decoder.record(one))).toEqual([{ a: 1 }, { a: 2 }])
      await reading.close()
    }, 120_000)
  })
})
