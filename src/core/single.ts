/** What `first` and `last` keep: one event of all. */
import type { Millis, Operator, Value } from './model.ts'
import { readValue, writeValue } from './values.ts'

/** `value` is undefined before the first event. */
export interface Single {
  time: Millis
  tie: number
  value: Value | undefined
}

/** By time, then tie; of the same event written twice with two values, by value. */
export function ofOneEvent(which: 'earliest' | 'newest'): Operator<Single> {
  const sign = which === 'newest' ? 1 : -1
  const add = (acc: Single, value: Value, time: Millis, tie: number): void => {
    const order =
      acc.value === undefined ? 1 : sign * (time - acc.time || tie - acc.tie || (value > acc.value ? 1 : -1))
    if (order <= 0) return
    acc.time = time
    acc.tie = tie
    acc.value = value
  }
  return {
    of: 'required',
    takes: 'given',
    type: 'same',
    empty: null,
    ordered: true,
    create: () => ({ time: 0, tie: 0, value: undefined }),
    add,
    merge: (into, from) => {
      if (from.value !== undefined) add(into, from.value, from.time, from.tie)
    },
    result: (acc) => acc.value ?? null,
    encode: (acc, to) => {
      to.byte(acc.value === undefined ? 0 : 1)
      if (acc.value === undefined) return
      to.double(acc.time)
      to.double(acc.tie)
      writeValue(acc.value, to)
    },
    decode: (from, values) =>
      from.byte() === 0
        ? { time: 0, tie: 0, value: undefined }
        : { time: from.number(), tie: from.number(), value: readValue(from, values) },
  }
}
