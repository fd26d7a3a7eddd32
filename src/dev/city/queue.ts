/** A binary heap: the entry with the lowest `at` first, those of one time in the order they were put in. */
export class Queue<T> {
  private readonly heap: { at: number; turn: number; item: T }[] = []
  private turns = 0

  /** Time of the first entry; Infinity when empty. */
  get first(): number {
    return this.heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  put(at: number, item: T): void {
    const { heap } = this
    const entry = { at, turn: this.turns++, item }
    let i = heap.length
    heap.push(entry)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!this.before(i, parent)) break
      this.swap(i, parent)
      i = parent
    }
  }

  take(): T | undefined {
    const { heap } = this
    const top = heap[0]
    if (!top) return undefined
    const last = heap.pop()
    if (last && heap.length > 0) {
      heap[0] = last
      this.sink()
    }
    return top.item
  }

  private sink(): void {
    let i = 0
    for (;;) {
      const left = 2 * i + 1
      let least = i
      if (left < this.heap.length && this.before(left, least)) least = left
      if (left + 1 < this.heap.length && this.before(left + 1, least)) least = left + 1
      if (least === i) return
      this.swap(i, least)
      i = least
    }
  }

  private before(i: number, j: number): boolean {
    const a = this.heap[i]
    const b = this.heap[j]
    if (!a || !b) return false
    return a.at < b.at || (a.at === b.at && a.turn < b.turn)
  }

  private swap(i: number, j: number): void {
    const { heap } = this
    ;[heap[i], heap[j]] = [heap[j] as (typeof heap)[0], heap[i] as (typeof heap)[0]]
  }
}
