/**
 * W1 over a file of events, in one process and thread: the same decoder, expressions and aggregations as live, without log, state and
 * store. Every value is held against the oracle.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { avroDecoder } from '../../src/codecs/avro/index.ts'
import { hashOf } from '../../src/core/key.ts'
import type { Decoder, FeatureFlow, FeatureRecord, InputRecord, Reducer, RowPlan } from '../../src/core/model.ts'
import { RowBuffer } from '../../src/engine/rows.ts'
import { RowsByKey } from '../../src/engine/rows-by-key.ts'
import { checkProject } from '../../src/project/check.ts'
import { readingOf } from '../../src/project/reading.ts'
import { Oracle } from '../oracle.ts'
import { orderEvents } from '../orders.ts'
import { STORES } from '../setup.ts'
import { differences, orderEncoder, orderSchema, writeProject } from '../w1.ts'
import type { Scale } from './worker.ts'

const CHUNK = 4 * 1024 * 1024
/** Rows are gone through key by key, so many at once: a key's memory is fetched once for all of its rows among them. */
const BUFFERS = 8
const ROWS = 65_000
const WRITE_PARTS = 10_000
const silent = () => undefined

/** The records of a file, each its length in four bytes and its value; one object for all, and right until the next is asked for. */
function* records(path: string): Generator<InputRecord> {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafeSlow(CHUNK)
    const record = { position: 0, timestamp: 0, key: null, value: bytes, headers: {} }
    for (let kept = 0; ; ) {
      const end = kept + readSync(file, bytes, kept, CHUNK - kept, null)
      if (end === kept) return
      let at = 0
      while (at + 4 <= end) {
        const next = at + 4 + bytes.readUInt32BE(at)
        if (next > end) break
        record.value = bytes.subarray(at + 4, next)
        yield record
        record.position++
        at = next
      }
      bytes.copyWithin(0, at, end)
      kept = end - at
    }
  } finally {
    closeSync(file)
  }
}

async function write(path: string, events: number): Promise<void> {
  const encode = await orderEncoder(1)
  const file = await open(path, 'w')
  let parts: Buffer[] = []
  for (const event of orderEvents(events, STORES)) {
    const value = encode(event)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(value.length)
    parts.push(length, value)
    if (parts.length < WRITE_PARTS) continue
    await file.write(Buffer.concat(parts))
    parts = []
  }
  await file.write(Buffer.concat(parts))
  await file.close()
}

/** The state of every key once all events were taken. */
async function compute(path: string, plan: RowPlan, decoder: Decoder, reducer: Reducer): Promise<Map<string, unknown>> {
  const states = new Map<string, unknown>()
  const source = { topic: 'file', partition: 0, incarnation: '' }
  const buffers = Array.from({ length: BUFFERS }, () => new RowBuffer(plan, ROWS))
  let filling = 0
  /** Event time up to which nothing is missing: the file is in order of time. */
  let clock = Number.NEGATIVE_INFINITY
  const apply = () => {
    const byKey = new RowsByKey()
    const filled = buffers.slice(0, filling + 1)
    for (const rows of filled) byKey.add({ source, rows, from: 0, clock })
    const takes = filled.map((rows) => reducer.apply(rows))
    const { starts, frame, row } = byKey.order()
    for (const [key, number] of byKey.keys) {
      let state = states.get(key)
      if (state === undefined) {
        state = reducer.create()
        states.set(key, state)
      }
      const end = starts[number + 1] as number
      for (let i = starts[number] as number; i < end; i++)
        (takes[frame[i] as number] as (typeof takes)[0])(state, row[i] as number, clock)
      reducer.expire(state, clock)
    }
    for (const rows of filled) {
      clock = rows.time[rows.length - 1] ?? clock
      rows.clear()
    }
    filling = 0
  }
  for (const record of records(path)) {
    // one schema wrote them all
    if (record.position === 0) await decoder.prepare([record])
    const event = decoder.record(record)
    if (!plan.where(event)) continue
    const key = plan.key(event)
    if (key === null) continue
    const time = plan.time?.(event) ?? record.timestamp
    const rows = buffers[filling] as RowBuffer
    rows.add(key, hashOf(key), record.position, time, record.position, event)
    if (rows.length === rows.capacity && ++filling === BUFFERS) {
      filling--
      apply()
    }
  }
  apply()
  return states
}

export async function measure({ events }: Scale): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await writeProject(directory, { topics: { orders: { time: 'occurredAt' } } })
    const { project } = await checkProject(directory)
    if (!project) throw new Error('the project is wrong')
    const flow = project.topologies[0]?.flow([] as never) as FeatureFlow
    const schema = await orderSchema()
    const registry = {
      schema: async () => schema,
      latest: async () => undefined,
      register: async () => 1,
      close: async () => undefined,
    }
    const log = { debug: silent, info: silent, warn: silent, error: silent }
    const decoder = avroDecoder({ registry, ...readingOf('orders', [flow], project.topologies), log })
    const path = join(directory, 'events')
    await write(path, events)
    const reducer = flow.reducer([])
    const before = process.cpuUsage()
    const began = performance.now()
    const states = await compute(path, (flow.sources[0] as FeatureFlow['sources'][0]).plan, decoder, reducer)
    const seconds = (performance.now() - began) / 1_000
    const { user, system } = process.cpuUsage(before)
    const oracle = new Oracle()
    for (const event of orderEvents(events, STORES)) oracle.add(event)
    const read = async (_: string, ids: readonly string[]) =>
      ids.map((id): FeatureRecord => {
        const at = reducer.newest(states.get(id))
        const values = Object.fromEntries(
          reducer.evaluate(states.get(id), at).map((value, i) => [flow.features[i], value]),
        )
        return { at, version: { generation: 0, epoch: 0, step: 0 }, values: values as FeatureRecord['values'] }
      })
    const wrong = await differences({ read }, '', oracle)
    if (wrong.length > 0) throw new Error(`${wrong.length} values are wrong, such as ${wrong.slice(0, 3).join('; ')}`)
    console.log(
      `offline: ${Math.round((events * 1e6) / (user + system))} events per second of CPU, ${Math.round(events / seconds)}/s`,
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
