/** State in a store is found by the ids of slots: another id for the same definition, and what was remembered is lost. */
import { expect, it } from 'vitest'
import { aggregationNamed, declared } from './declared.ts'

const THINGS = { lifecycle: 'event.id', opens: 'o', closes: 'c' }
const OF = { of: 'event.v' }
const WHEN = { when: 'event.w' }

it.each<[string, string, object, string, Record<string, string>, object?]>([
  ['last/1', 'last', { last: 3 }, 'count', {}],
  ['last/1 of="event.v" when="event.w"', 'last', { last: 5 }, 'sum', { ...OF, ...WHEN }],
  ['lifetime/1 as="count"', 'lifetime', { lifetime: true }, 'count', {}],
  ['lifetime/1 as="count" when="event.w"', 'lifetime', { lifetime: true }, 'count', WHEN],
  ['tumbling/1 10000+0 allowance=0 as="sum" of="event.v"', 'tumbling', { tumbling: '10s' }, 'sum', OF],
  [
    'tumbling/1 10000+3000 allowance=2000 as="count"',
    'tumbling',
    { tumbling: '10s', offset: '3s', allowance: '2s' },
    'count',
    {},
  ],
  ['window/1', 'window', { window: '10s' }, 'count', {}],
  ['window/1 of="event.v"', 'window', { window: '20s' }, 'max', OF],
  ['window/1 of="event.v" with ties', 'window', { window: '10s' }, 'last', OF],
  ['window/1 by 1000 as="count"', 'window', { window: '10s', resolution: '1s' }, 'count', {}],
  [
    'window/1 by 1000 as="ewma" settings="{\\"ewma\\":5000}" of="event.v"',
    'window',
    { window: '10s', resolution: '1s' },
    'ewma',
    OF,
    { ewma: '5s' },
  ],
  ['lifecycle/1 id="event.id" opens="o" closes="c"', 'lifecycle', THINGS, 'count', THINGS],
  ['lifecycle/1 id="event.id" opens="o" closes="c" of="event.v"', 'lifecycle', THINGS, 'sum', { ...THINGS, ...OF }],
  [
    'lifecycle/1 durations of id="event.id" opens="o" closes="c" when="event.w"',
    'lifecycle',
    { ...THINGS, measure: 'duration' },
    'mean',
    { ...THINGS, ...WHEN },
  ],
])('the slot is %s', async (id, aggregation, settings, as, columns, of = {}) => {
  const feature = await declared('f', aggregation, settings, as, columns, { of })
  expect((await aggregationNamed<unknown>(aggregation)).slots([feature]).map((slot) => slot.id)).toEqual([id])
})
