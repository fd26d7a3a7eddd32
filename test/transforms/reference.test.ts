import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { problemsOf } from './project.ts'

const time = { type: 'long', logicalType: 'timestamp-millis' }
const line = {
  type: 'record',
  name: 'Line',
  fields: ['productId', 'cents', 'count'].map((name) => ({ name, type: name === 'productId' ? 'string' : 'int' })),
}
const record = (name: string, fields: Readonly<Record<string, unknown>>) =>
  JSON.stringify({
    type: 'record',
    name,
    fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
  })

const SCHEMAS = {
  'schemas/orders.avsc': record('Order', {
    orderId: 'string',
    paidAt: time,
    status: 'string',
    lines: { type: 'array', items: line },
  }),
  'schemas/products.avsc': record('Product', { name: 'string' }),
  'schemas/visits.avsc': record('Visit', { storeId: 'string', courierId: 'string', arrivedAt: time, leftAt: time }),
}

it.each(['## A transform', '### Several dimensions'])(
  'the example of the reference below "%s" is right',
  async (heading) => {
    const page = readFileSync('docs/reference.md', 'utf8')
    const [, example = ''] = /```yaml\n(.*?)```/s.exec(page.slice(page.indexOf(`${heading}\n`))) ?? []
    expect(example).toContain('kind:')
    expect(await problemsOf({ ...SCHEMAS, 'topologies/example.yaml': example })).toEqual([])
    expect(await problemsOf({ ...SCHEMAS, 'topologies/example.yaml': example.replace('from:', 'fro:') })).not.toEqual(
      [],
    )
  },
)
