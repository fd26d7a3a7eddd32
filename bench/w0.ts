/** Work W0: which records it must make. They are told by their number and a hash that is the same in any order. */
import type { OrderEvent } from './orders.ts'

type Made = Pick<OrderEvent, 'orderId' | 'storeId' | 'totalCents' | 'prepSeconds'>

export class Taken {
  count = 0
  private low = 0
  private high = 0

  /** Takes an event, where W0 takes it. */
  event(event: OrderEvent): void {
    if (event.type === 'ORDER_DELIVERED' && event.totalCents > 1_000) this.add(event)
  }

  /** Takes a record that was made. */
  add({ orderId, storeId, totalCents, prepSeconds }: Made): void {
    const text = `${orderId}|${storeId}|${totalCents}|${prepSeconds}`
    this.count++
    this.low = (this.low + hashOf(text, 0x811c9dc5)) >>> 0
    this.high = (this.high + hashOf(text, 0x9747b28c)) >>> 0
  }

  toString(): string {
    return `${this.count} records with hash ${this.high.toString(16)}${this.low.toString(16).padStart(8, '0')}`
  }
}

/** FNV-1a, from a basis, with a last mix, as the sums of two are compared. */
function hashOf(text: string, basis: number): number {
  let hash = basis
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
