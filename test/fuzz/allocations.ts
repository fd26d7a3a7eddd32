/** How much is asked for: items of arrays and bytes of buffers, counted instead of measured. */

/** More was asked for than the input can need. */
export class WildAllocation extends Error {
  override readonly name = 'WildAllocation'
}

const TYPES = [
  'Array',
  'Float64Array',
  'Float32Array',
  'Uint8Array',
  'Uint16Array',
  'Uint32Array',
  'Int32Array',
] as const

/** Runs `work`; throws `WildAllocation` once arrays of more items and buffers of more bytes than `most` were asked for. */
export function within<T>(most: number, work: () => T): T {
  let asked = 0
  const ask = (length: unknown) => {
    if (typeof length !== 'number') return
    asked += length
    if (asked > most) throw new WildAllocation(`${asked} items were asked for, ${most} are enough`)
  }
  const globals = globalThis as unknown as Record<string, unknown>
  const before = TYPES.map((name) => [name, globals[name]] as const)
  const { alloc, allocUnsafe } = Buffer
  for (const [name, type] of before)
    globals[name] = new Proxy(type as new (...given: unknown[]) => object, {
      construct(target, given, made) {
        if (given.length === 1) ask(given[0])
        return Reflect.construct(target, given, made === globals[name] ? target : made)
      },
    })
  Buffer.alloc = (size, ...more) => {
    ask(size)
    return alloc(size, ...more)
  }
  Buffer.allocUnsafe = (size) => {
    ask(size)
    return allocUnsafe(size)
  }
  try {
    return work()
  } finally {
    for (const [name, type] of before) globals[name] = type
    Object.assign(Buffer, { alloc, allocUnsafe })
  }
}
