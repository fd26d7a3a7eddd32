/** The parts in the example are held to what every part of their kind must hold to, as the docs say that one's own should be. */
import { aggregationSuite, operatorSuite } from 'millrace/testing'
import first from '../../examples/own-parts/parts/first.ts'
import share from '../../examples/own-parts/parts/share.ts'

await operatorSuite({
  name: 'share',
  part: share,
  settings: { atLeast: 4 },
  naive: (samples) =>
    samples.length === 0 ? null : samples.filter(({ value }) => (value as number) >= 4).length / samples.length,
})

const columns = { of: 'v', when: 'w' }
await aggregationSuite({
  name: 'first',
  part: first,
  features: [
    { name: 'first_sum_3', settings: { events: 3 }, as: 'sum', columns },
    { name: 'first_sum_5', settings: { events: 5 }, as: 'sum', columns },
  ],
  naive: ({ config }, events) => {
    const valued = events.filter(({ values }) => values.w === true && Number.isFinite(values.v))
    const sorted = valued.sort((a, b) => a.time - b.time || a.tie - b.tie).slice(0, config.events)
    return sorted.reduce((sum, { values }) => sum + (values.v as number), 0)
  },
  span: 100,
})
