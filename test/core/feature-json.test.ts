import { expect, it } from 'vitest'
import { featureJson } from '../../src/core/feature-json.ts'

it('values stand as JSON in the order that was asked; a span is empty where there is none, whatever objects have by nature', () => {
  const values = { city: 'Zürich "8"', orders: 3, prices: [1.5, 2] }
  const names = ['orders', 'gone', 'city', 'toString', 'prices']
  const { at, bytes, spans } = featureJson({ at: 7, version: { generation: 1, epoch: 1, step: 1 }, values }, names)
  const texts = names.map((_, i) => Buffer.from(bytes.subarray(spans[2 * i], spans[2 * i + 1])).toString())
  expect([at, texts]).toEqual([7, ['3', '', '"Zürich \\"8\\""', '', '[1.5,2]']])
})
