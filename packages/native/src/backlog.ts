import { Fifo } from '@sockman/core'
import type { NativeEngine } from './binding'
import { type Connections, State } from './connections'
import type { OwnListener } from './listeners'
import type { Turn } from './turn'

interface Waiting {
  readonly slot: number
  readonly listener: OwnListener
}

/**
 * Connections that the engine accepted while `maxConnections` ids lived: it accepts for several listeners at once, and
 * does not know of a `connect` that has just been called. Nothing is read from them and nobody is told of them until they
 * have a place (C26), as if they were in the kernel's queue still.
 */
export class Backlog {
  readonly #native: NativeEngine
  readonly #connections: Connections
  readonly #turn: Turn
  readonly #most: number
  #waiting = new Fifo<Waiting>()

  /** @param most live ids, 0 for no limit */
  constructor(native: NativeEngine, connections: Connections, turn: Turn, most: number) {
    this.#native = native
    this.#connections = connections
    this.#turn = turn
    this.#most = most
  }

  get length(): number {
    return this.#waiting.length
  }

  /** A connection that was just accepted waits behind the others. */
  add(slot: number, listener: OwnListener): void {
    this.#waiting.add({ slot, listener })
  }

  /** The connection that has waited the longest, once it has a place: it waits no longer. */
  take(): Waiting | undefined {
    const live = this.#connections.live - this.#waiting.length
    return this.#most === 0 || live < this.#most ? this.#waiting.take() : undefined
  }

  /** An id has ended, or `take` has answered: the next batch looks whether there is a place. */
  lookAgain(): void {
    const { first } = this.#waiting
    if (first) this.#turn.startWith(first.slot)
  }

  /** Closes what waits of that listener, or of all: the kernel ends the queue of a socket that is closed, too. */
  drop(listener?: OwnListener): void {
    const all = this.#waiting
    this.#waiting = new Fifo()
    for (const each of all) {
      if (listener && each.listener !== listener) {
        this.#waiting.add(each)
        continue
      }
      this.#connections.states[each.slot] = State.unheard
      this.#native.close(each.slot, 0, 0)
    }
  }
}
