import type { Registry } from '../../src/core/model.ts'
import part from '../../src/registries/confluent.ts'
import { silent } from '../codecs/avro/fixture.ts'

/** A client, its settings validated as from a configuration file. */
export async function open(url: string, settings: object = {}): Promise<Registry> {
  const config = part.config.parse({ url, ...settings })
  return part.open(config, { directory: '/', deployment: 'test', log: silent })
}
