import { hashOf } from '../core/key.ts'

/**
 * The bounded cache of one task's key states, least recently used first out. Counts keys, whatever their size. Of more keys than it
 * holds, most are hardly met again, and to keep them costs more than to read them: once it is half full it takes those alone that were
 * met not long ago.
 */
export class KeyCache<S> {
  private readonly entries = new Map<string, S>()
  private readonly limit: number
  /** Hashes of keys that were met and not taken: the last ones, and those before them. */
  private met = new Set<number>()
  private metBefore = new Set<number>()

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

  /** Is the key worth its place? Remembers that it was met: to be asked once each time that it was not there. */
  admits(key: string): boolean {
    if (this.entries.size < this.limit / 2) return true
    const hash = hashOf(key)
    if (this.met.has(hash) || this.metBefore.has(hash)) return true
    this.met.add(hash)
    if (this.met.size >= this.limit / 2) {
      this.metBefore = this.met
      this.met = new Set()
    }
    return false
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
