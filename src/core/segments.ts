import { type ByteWriter, written } from './bytes.ts'

/** Of nearly all accumulators no part is stored: nothing is ever put into it. */
const NONE = new Set<number>()

/** A part of a large accumulator, stored beside its main bytes under its name. */
export interface StoredPart {
  readonly name: number
  /** Is what stands in the store outdated? */
  changed: boolean
}

/** Knows which parts of one accumulator stand in the store, so that only what changed is written. */
export class StoredParts {
  private names = NONE

  /** A part of this name is in the store, as the main bytes say. */
  know(name: number): void {
    this.own().add(name)
  }

  private own(): Set<number> {
    if (this.names === NONE) this.names = new Set()
    return this.names
  }

  /** What to write so that exactly these parts stand in the store; they count as stored from then on. */
  changes<P extends StoredPart>(
    parts: readonly P[],
    encode: (part: P, to: ByteWriter) => void,
  ): [string, Uint8Array | null][] {
    const changes: [string, Uint8Array | null][] = []
    if (parts.length === 0 && this.names.size === 0) return changes
    const kept = new Set<number>()
    for (const part of parts) {
      kept.add(part.name)
      if (this.names.has(part.name) && !part.changed) continue
      changes.push([String(part.name), written((to) => encode(part, to))])
      part.changed = false
      this.own().add(part.name)
    }
    if (this.names.size === kept.size) return changes
    for (const name of this.names) {
      if (kept.has(name)) continue
      changes.push([String(name), null])
      this.names.delete(name)
    }
    return changes
  }
}
