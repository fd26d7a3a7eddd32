export interface Faults {
  readonly random: () => number
  /** Share of calls that fail. */
  share: number
  /** Calls that were answered with an error and take effect later, as packets do that arrive late. */
  readonly late: (() => Promise<unknown>)[]
}

/**
 * The same object, whose named methods sometimes fail: before taking effect, after it, or before an effect that
 * comes later all the same.
 */
export function unreliable<T extends object>(real: T, methods: readonly (keyof T)[], faults: Faults): T {
  return new Proxy(real, {
    get(target, name) {
      const value = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      const call = (...args: unknown[]) => Reflect.apply(value, target, args)
      if (!methods.includes(name as keyof T)) return call
      return async (...args: unknown[]) => {
        if (faults.random() >= faults.share) return call(...args)
        const kind = faults.random()
        if (kind < 0.4) throw new Error('failed')
        if (kind < 0.8) {
          await call(...args)
          throw new Error('applied, but the answer was lost')
        }
        faults.late.push(() => Promise.resolve(call(...args)))
        throw new Error('timed out, and comes late')
      }
    },
  })
}
