import { type ConnectionId, Fifo } from '@sockman/core'
import type { NativeEngine } from './binding'
import { type Connections, Flag } from './connections'

/**
 * Whether a batch is under way, and which connections the next one begins with: held data, or a queue that emptied at
 * once. They are kept by id, since a slot may have another owner by then.
 */
export class Turn {
  readonly #native: NativeEngine
  readonly #connections: Connections
  inBatch = false
  readonly #due = new Fifo<ConnectionId>()

  constructor(native: NativeEngine, connections: Connections) {
    this.#native = native
    this.#connections = connections
  }

  /** How many connections the next batch begins with. */
  get due(): number {
    return this.#due.length
  }

  /** The connection that has been due the longest. */
  get firstDue(): ConnectionId | undefined {
    return this.#due.first
  }

  /** The next batch begins with what is due for `slot`. */
  startWith(slot: number): void {
    if ((this.#connections.flags[slot]! & Flag.due) !== 0) return
    this.#connections.flags[slot]! |= Flag.due
    this.#due.add(this.#connections.ids[slot] as ConnectionId)
    if (!this.inBatch) this.#native.ring()
  }

  /** The first is due no longer; `slot` is its slot, -1 when it is closed. */
  settleFirst(slot: number): void {
    this.#due.take()
    if (slot >= 0) this.#connections.flags[slot]! &= ~Flag.due
  }

  /** The first stays due, and waits behind the others: it has had its part of a batch. */
  postponeFirst(): void {
    this.#due.add(this.#due.take()!)
  }
}
