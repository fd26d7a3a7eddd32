/** The nearest right name, for messages: "did you mean …". */

/** Of the candidates, the one that `name` is most likely a slip of; undefined when none is near, as of a list or a mapping. */
export function nearest(name: unknown, candidates: Iterable<string>): string | undefined {
  // what YAML gives as a mapping has no prototype, and so no text
  if (typeof name === 'object') return undefined
  const wanted = String(name).toLowerCase()
  let best: string | undefined
  let fewest = Math.max(1, Math.floor(wanted.length / 3)) + 0.5
  for (const candidate of candidates) {
    const edits = distance(wanted, candidate.toLowerCase(), fewest)
    if (edits < fewest) {
      fewest = edits
      best = candidate
    }
  }
  return best
}

/** What follows a sentence about a name that is none: ` Did you mean 'x'?`, or nothing. */
export function didYouMean(near: string | undefined): string {
  return near === undefined ? '' : ` Did you mean '${near}'?`
}

/** As `nearest`; where none is near, the one candidate that begins with `name`: `speed` for `speedKmh`. */
export function nearestOrBegun(name: string, candidates: Iterable<string>): string | undefined {
  const all = [...candidates]
  const begun = all.filter((candidate) => candidate.toLowerCase().startsWith(name.toLowerCase()))
  return nearest(name, all) ?? (name.length >= 3 && begun.length === 1 ? begun[0] : undefined)
}

/** Edits (insert, delete, replace, swap of neighbours) between two texts; Infinity when surely more than `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit || a.length > 256) return Infinity
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let edits = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) edits = Math.min(edits, before[j - 2]! + 1)
      row.push(edits)
    }
    before = previous
    previous = row
  }
  return previous[b.length]!
}
