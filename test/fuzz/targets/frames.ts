import { ByteReader, ByteWriter } from '../../../src/core/bytes.ts'
import type { Column, ColumnKind, Rows } from '../../../src/core/model.ts'
import { Repeats } from '../../../src/engine/repeats.ts'
import { emptyColumn } from '../../../src/engine/rows.ts'
import { encodeFrame, encodeLayout, type FrameHead, FrameReader } from '../../../src/engine/shuffle.ts'
import { Sources } from '../../../src/engine/sources.ts'
import { within } from '../allocations.ts'
import { type Chance, mutated } from '../chance.ts'
import type { Target } from '../target.ts'

const KINDS: readonly ColumnKind[] = ['flag', 'number', 'text']
const INPUTS = 40
/** Items per byte: a row of five bytes of text columns has room of its own kind in each. */
const PER_BYTE = 40

const target: Target = {
  about:
    'a frame, the sources of a task or the names it has met, mutated: read as something of the same kind, or a RangeError',
  slice: 4_000,
  open: async () => ({
    try(chance, { input, outcome }) {
      const frames = Array.from({ length: 1 + chance.int(3) }, (_, i) => frame(chance, i))
      const sources = new Sources(['orders'])
      const repeats = new Repeats()
      // one reader for all, as a task has: what it remembers of layouts must not come out of a bad frame
      const reader = new FrameReader()
      for (const bytes of frames) sources.take(reader.read(bytes))
      for (const name of chance.list(5, () => `t/orders#1/${chance.int(3)}/${chance.int(50)}/${chance.int(3)}`))
        repeats.isRepeat({ headers: { 'millrace-id': Buffer.from(name) } })
      const metas = [sources, repeats].map((meta) => encoded((to) => meta.encode(to)))
      for (let i = 0; i < INPUTS; i++) {
        const [kind, decode, good] = chance.pick([
          ['frame', (bytes: Buffer) => sound(new FrameReader(), reader, bytes), chance.pick(frames)],
          ['sources', (bytes: Buffer) => new Sources(['orders']).decode(new ByteReader(bytes)), metas[0]],
          ['repeats', (bytes: Buffer) => new Repeats().decode(new ByteReader(bytes)), metas[1]],
        ] as const)
        const bytes = chance.odds(0.05) ? (good as Buffer) : mutated(chance, good as Buffer)
        input(() => `${kind} ${bytes.toString('base64')}`)
        try {
          within(PER_BYTE * (bytes.length + 100), () => decode(bytes))
          outcome(`${kind} read`)
        } catch (error) {
          if (!(error instanceof RangeError) || bytes === good) throw error
          outcome(`${kind} refused`)
        }
      }
    },
  }),
}
export default target

function encoded(encode: (to: ByteWriter) => void): Buffer {
  const to = new ByteWriter()
  encode(to)
  return to.take()
}

function frame(chance: Chance, at: number): Buffer {
  const columns = chance.list(4, (i) => ({ id: `c${i}`, kind: chance.pick(KINDS) }))
  const head: FrameHead = {
    source: { topic: 'orders', incarnation: 'i1', partition: 0 },
    partitions: 1,
    after: -1,
    upto: at * 100 + 1,
    watermark: chance.pick([Number.NaN, 1_700_000_000_000]),
    stamp: chance.pick([Number.NaN, 1_700_000_000_000]),
    finishes: chance.pick(['', '', 'i0']),
    heartbeat: chance.odds(0.5),
    live: chance.odds(0.5),
  }
  return encodeFrame(head, encodeLayout(columns), chance.odds(0.1) ? undefined : rows(chance, at, columns))
}

function rows(chance: Chance, at: number, columns: readonly { id: string; kind: ColumnKind }[]): Rows {
  const length = 1 + chance.int(20)
  const keys = ['a', 'store-12', '\u00e9'].slice(0, 1 + chance.int(Math.min(3, length)))
  return {
    length,
    position: new Float64Array(length).fill(at * 100),
    time: Float64Array.from({ length }, () => 1_700_000_000_000 + chance.int(1000)),
    tie: Float64Array.from({ length }, () => chance.int(1e9)),
    keys,
    keyOf: Uint16Array.from({ length }, () => chance.int(keys.length)),
    columns: new Map(columns.map(({ id, kind }) => [id, filled(chance, kind, length)])),
  }
}

function filled(chance: Chance, kind: ColumnKind, length: number): Column {
  const column = emptyColumn(kind, length)
  for (let row = 0; row < length; row++)
    if (column instanceof Uint8Array) column[row] = chance.int(2)
    else if (column instanceof Float64Array) column[row] = chance.number()
    else column[row] = chance.odds(0.2) ? null : chance.text(8)
  return column
}

/** A frame as a reducer goes over it; the reader that has met others says the same as a new one. */
function sound(fresh: FrameReader, used: FrameReader, bytes: Buffer): void {
  const { rows } = fresh.read(bytes)
  const again = used.read(bytes)
  if (rows.length !== again.rows.length || [...rows.columns.keys()].join() !== [...again.rows.columns.keys()].join())
    throw new Error('what was read before changes what is read now')
  for (const array of [rows.position, rows.time, rows.tie, rows.keyOf])
    if (array.length !== rows.length) throw new Error('a column of another length')
  for (const key of rows.keyOf) if (typeof rows.keys[key] !== 'string') throw new Error('a row without a key')
  for (const column of rows.columns.values()) {
    if (column.length !== rows.length) throw new Error('a column of another length')
    if (Array.isArray(column) && !column.every((value) => value === null || typeof value === 'string'))
      throw new Error('a text column of something else')
  }
}
