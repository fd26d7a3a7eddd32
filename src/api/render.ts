/** Answers as JSON, put together as bytes: values are those that the store gave. The hot path of the API. */
import type { FeatureJson, Millis } from '../core/model.ts'
import type { FeatureView, View } from './view.ts'

/** What is known of one entity: the values of each topology of the view, in its order. */
export type Known = readonly (FeatureJson | undefined)[]

/** What is longer is copied by a call, what is shorter byte by byte. */
const SHORT = 32
const [COMMA, OPEN_LIST, CLOSE_LIST, CLOSE] = [0x2c, 0x5b, 0x5d, 0x7d]

const ROOM = 64 * 1024
/** What one large answer made room for is given back with the next. */
const MOST_ROOM = 1024 * 1024
/** Of whatever is rendered now, up to `at`; rendering is done within one turn of the event loop. */
let bytes = Buffer.allocUnsafe(ROOM)
let at = 0

function begin(): void {
  at = 0
  if (bytes.length > MOST_ROOM) bytes = Buffer.allocUnsafe(ROOM)
}

/** The answer of one entity. `now` is wall time; values as of longer ago than `maxAge` are answered by their defaults. */
export function render(view: View, id: string, known: Known, now: Millis, maxAge = Number.POSITIVE_INFINITY): string {
  begin()
  entity(view, id, known, now, maxAge)
  return bytes.toString('utf8', 0, at)
}

/** A list of them after `before`, closed by a brace: the body of an answer, UTF-8. */
export function renderList(
  before: string,
  asked: readonly { readonly view: View; readonly id: string }[],
  found: readonly Known[],
  now: Millis,
  maxAge = Number.POSITIVE_INFINITY,
): Buffer {
  begin()
  text(before)
  byte(OPEN_LIST)
  for (const [i, { view, id }] of asked.entries()) {
    entity(view, id, found[i] as Known, now, maxAge)
    byte(COMMA)
  }
  if (asked.length > 0) at--
  byte(CLOSE_LIST)
  byte(CLOSE)
  return Buffer.from(bytes.subarray(0, at))
}

/** Equal exactly where the values of one entity are, whatever their as-of times. */
export function valuesText(view: View, known: Known): string {
  begin()
  for (const [t, { features }] of view.topologies.entries())
    for (const feature of features) {
      value(known[t], feature)
      byte(COMMA)
    }
  return bytes.toString('utf8', 0, at) + (known.some((each) => each) ? ';' : '|')
}

function entity(view: View, id: string, known: Known, now: Millis, maxAge: Millis): void {
  text(`{"entity":${view.json},"id":${JSON.stringify(id)},"found":${known.some((each) => each)},"features":{`)
  const from = at
  for (const [t, { json, features }] of view.topologies.entries()) {
    const values = known[t]
    const age = values ? Math.max(0, now - values.at) : Number.NaN
    const stale = age > maxAge
    let [restFrom, restTo] = [0, 0]
    for (const feature of features) {
      copy(feature.opening, 0, feature.opening.length)
      value(stale ? undefined : values, feature)
      if (restTo > 0) {
        room(restTo - restFrom)
        bytes.copyWithin(at, restFrom, restTo)
        at += restTo - restFrom
        continue
      }
      restFrom = at
      text(
        values
          ? `,"asOf":${isoJson(values.at)},"age":${age / 1000}${stale ? ',"stale":true' : ''},"topology":${json}},`
          : `,"asOf":null,"age":null,"topology":${json}},`,
      )
      restTo = at
    }
  }
  if (at > from) at--
  byte(CLOSE)
  byte(CLOSE)
}

function value(values: FeatureJson | undefined, feature: FeatureView): void {
  const to = values?.spans[2 * feature.place + 1] ?? 0
  const from = values?.spans[2 * feature.place] ?? 0
  if (values && to > from) copy(values.bytes, from, to)
  else copy(feature.default, 0, feature.default.length)
}

function copy(source: Uint8Array, from: number, to: number): void {
  room(to - from)
  const [target, start] = [bytes, at - from]
  if (to - from > SHORT) target.set(source.subarray(from, to), at)
  else for (let i = from; i < to; i++) target[start + i] = source[i] as number
  at += to - from
}

function byte(value: number): void {
  room(1)
  bytes[at++] = value
}

function text(value: string): void {
  room(3 * value.length)
  at += bytes.write(value, at)
}

function room(more: number): void {
  if (at + more <= bytes.length) return
  const grown = Buffer.allocUnsafe(2 * (at + more))
  bytes.copy(grown, 0, 0, at)
  bytes = grown
}

const DAY = 86_400_000
/** Of what a Date can hold. */
const LAST = 8.64e15
const TWO = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'))
/** The day that was asked for last, and how its times begin. */
let day = Number.NaN
let dayText = ''

/** As toISOString, which takes three times as long. */
function isoJson(time: Millis): string {
  if (!(Math.abs(time) <= LAST)) return 'null'
  const whole = Math.trunc(time)
  const start = Math.floor(whole / DAY) * DAY
  if (start !== day) {
    day = start
    dayText = new Date(start).toISOString().slice(0, -'00:00:00.000Z'.length)
  }
  const ms = whole - start
  const seconds = Math.floor(ms / 1000)
  const [hour, minute, second] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `"${dayText}${TWO[hour]}:${TWO[minute]}:${TWO[second]}.${String(ms % 1000).padStart(3, '0')}Z"`
}
