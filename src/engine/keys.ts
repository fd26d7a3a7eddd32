/** The bounded cache of one task's key states, least recently used first out. Counts keys, whatever their size. */
export class KeyCache<S> {
  private readonly entries = new Map<string, S>()
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  get size(): number {
    return this.entries.size
  }

  get(key: string): S | undefined {
    return this.entries.get(key)
  }

  set(key: string, state: S): void {
    this.entries.set(key, state)
  }

  delete(key: string): void {
    this.entries.delete(key)
  }

  clear(): void {
    this.entries.clear()
  }

  /** Marks keys as just used and drops the least recently used ones above the limit. Call when all are committed. */
  settle(used: Iterable<string>): void {
    if (this.entries.size <= this.limit / 2) return
    for (const key of used) {
      const state = this.entries.get(key)
      if (state === undefined) continue
      this.entries.delete(key)
      this.entries.set(key, state)
    }
    for (const key of this.entries.keys()) {
      if (this.entries.size <= this.limit) return
      this.entries.delete(key)
    }
  }
}
