import type { ConnectionId } from '@sockman/core'
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
  #due: ConnectionId[] = []

  constructor(native: NativeEngine, connections: Connections) {
    this.#native = native
    this.#connections = connections
  }

  get anyDue(): boolean {
    return this.#due.length > 0
  }

  /** The next batch begins with what is due for `slot`. */
  startWith(slot: number): void {
    if ((this.#connections.flags[slot]! & Flag.due) !== 0) return
    this.#connections.flags[slot]! |= Flag.due
    this.#due.push(this.#connections.ids[slot] as ConnectionId)
    if (!this.inBatch) this.#native.ring()
  }

  /** All that is due so far: each is to be settled or put back. */
  take(): ConnectionId[] {
    const ids = this.#due
    this.#due = []
    return ids
  }
  settle(slot: number): void {
    this.#connections.flags[slot]! &= ~Flag.due
  }
  putBack(ids: ConnectionId[]): void {
    this.#due.push(...ids)
  }
}
