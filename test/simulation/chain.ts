/**
 * An aggregation of one's own that folds every event into a chain, one per place that events were first written to: what is
 * lost, counts twice or comes in another order than it was written in leads to another number. It fails at the events
 * that are to fail.
 */
import type { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { hash53 } from '../../src/core/key.ts'
import type { Column, FeatureValue, Slot } from '../../src/core/model.ts'
import type { TestEvent } from './features.ts'

export const CHAIN = 'chain'

interface Chains {
  readonly ends: Map<string, number>
  /** An event that cannot be evaluated has come. */
  bad: boolean
}

const linked = (end: number, id: string): number => (Math.imul(end, 31) + hash53(id)) | 0

/** Whatever the places of a key are called, and in whatever order they were met. */
function sumOf(ends: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const [place, end] of ends) sum = (sum + linked(end, place)) | 0
  return sum
}

export const CHAIN_SLOT: Slot<Chains> = {
  id: 'chain/1',
  columns: [
    { id: 'from', kind: 'text' },
    { id: 'id', kind: 'text' },
    { id: 'fails', kind: 'text' },
  ],
  features: [CHAIN],
  create: () => ({ ends: new Map(), bad: false }),
  add: (chains, columns, row) => {
    const [from, id, fails] = columns.map((column) => (column as Column)[row]) as [string, string, string | null]
    chains.ends.set(from, linked(chains.ends.get(from) ?? 0, id))
    if (fails === 'apply') throw new TypeError('fails at an event')
    if (fails === 'evaluate') chains.bad = true
  },
  expire: () => undefined,
  nextExpiry: () => Number.POSITIVE_INFINITY,
  isEmpty: ({ ends }) => ends.size === 0,
  results: ({ ends, bad }, _now, out: FeatureValue[], at) => {
    if (bad) throw new TypeError('fails at what it remembers')
    out[at] = sumOf(ends)
  },
  encode: ({ ends, bad }, to: ByteWriter) => {
    to.byte(bad ? 1 : 0)
    to.varint(ends.size)
    for (const [from, end] of ends) {
      to.text(from)
      to.double(end)
    }
  },
  decode: (from: ByteReader) => {
    const bad = from.byte() === 1
    return { bad, ends: new Map(Array.from({ length: from.varint() }, () => [from.text(), from.number()])) }
  },
}

/** The same of the events of a key as they stand in their topics, in the order of each place. */
export function naiveChain(events: readonly TestEvent[]): number {
  const ends = new Map<string, number>()
  for (const { from, id } of events) ends.set(from, linked(ends.get(from) ?? 0, id))
  return sumOf(ends)
}
