import type { Handlers } from '@sockman/core'
import type { NativeEngine } from './binding'
import type { ConnectionLife } from './connection-life'
import { type Connections, State } from './connections'
import { Event, type EventRing, Field } from './event-ring'
import type { Listeners } from './listeners'
import type { Receiving } from './receiving'
import type { RunState } from './run-state'
import type { Sending } from './sending'
import type { Turn } from './turn'

/** That of the runtime, where it was not replaced before this module was loaded. */
const { setImmediate } = globalThis

/** Batches: takes the engine's records in order, and gives each to the part that it is for. */
export class Delivery {
  readonly #native: NativeEngine
  readonly #ring: EventRing
  readonly #connections: Connections
  readonly #turn: Turn
  readonly #run: RunState
  readonly #listeners: Listeners
  readonly #life: ConnectionLife
  readonly #sending: Sending
  readonly #receiving: Receiving
  readonly #handlers: Handlers
  readonly #batchLimit: number
  /** A batch comes in an immediate. */
  #scheduled = false
  /** How many there were. */
  events = 0
  batches = 0

  constructor(parts: {
    readonly native: NativeEngine
    readonly ring: EventRing
    readonly connections: Connections
    readonly turn: Turn
    readonly run: RunState
    readonly listeners: Listeners
    readonly life: ConnectionLife
    readonly sending: Sending
    readonly receiving: Receiving
    readonly handlers: Handlers
    readonly batchLimit: number
  }) {
    this.#native = parts.native
    this.#ring = parts.ring
    this.#connections = parts.connections
    this.#turn = parts.turn
    this.#run = parts.run
    this.#listeners = parts.listeners
    this.#life = parts.life
    this.#sending = parts.sending
    this.#receiving = parts.receiving
    this.#handlers = parts.handlers
    this.#batchLimit = parts.batchLimit
  }

  /**
   * One batch: called by the drive when records wait. Its cursor is the ring's, moved on before each callback: one that
   * throws loses nothing, and what is left follows in a turn of its own. Answers how many events it delivered.
   */
  deliver(most = this.#batchLimit): number {
    if (this.#run.ended || this.#turn.inBatch || this.#scheduled) return 0
    return this.#handlers.runBatch(this.#batch, this, most)
  }

  #batch(most: number): number {
    const turn = this.#turn
    let left = most
    turn.inBatch = true
    try {
      left = this.#deliverDue(left)
      while (left > 0 && this.#ring.waiting > 0) {
        left--
        const position = this.#ring.take()
        try {
          this.#dispatch(position)
        } finally {
          this.#finishEvent()
        }
        if (this.#run.ended) return most - left
      }
      if (left === most) return 0
      this.batches++
      if (!this.#run.stopping) {
        try {
          this.#handlers.batchEnd()
        } finally {
          this.#sending.flush()
        }
      }
      return most - left
    } finally {
      this.events += most - left
      turn.inBatch = false
      // In a later turn of Node's loop, so that timers and others have theirs (docs/native.md, N38).
      if (!this.#run.ended && (this.#ring.waiting > 0 || turn.due > 0)) this.#continue()
    }
  }

  #continue(): void {
    if (this.#native.ringLater()) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.deliver()
    })
  }

  /** What every callback of a record ends with: sends leave, and the record and its block go back. */
  #finishEvent(): void {
    this.#sending.flush()
    if (this.#ring.release() && !this.#run.ended) this.#native.wake()
  }

  #dispatch(position: number): void {
    const { words } = this.#ring
    const at = this.#ring.at(position)
    const slot = words[at + Field.slot]!
    switch (words[at + Field.event]) {
      case Event.data:
        return this.#receiving.onData(slot, at)
      case Event.accepted:
        return this.#life.onAccepted(slot, position)
      case Event.connected:
        return this.#life.onConnected(slot)
      case Event.eof:
        return this.#receiving.onEof(slot)
      case Event.error:
        return this.#life.onError(slot, at)
      case Event.drained:
        return void this.#sending.onDrained(slot)
      case Event.idle:
        return this.#life.onIdle(slot)
      case Event.closed:
        return this.#life.onClosed(slot, at)
      case Event.listenError:
        return this.#listeners.onError(slot, words[at + Field.a]!, words[at + Field.b]!)
      case Event.listenerClosed:
        return this.#listeners.onClosed(slot)
      case Event.stopped:
        this.#run.end()
    }
  }

  // ---- What is due without a record ----

  /** What resumed connections held, and queues that emptied at once; answers what is left of `limit`. */
  #deliverDue(limit: number): number {
    const turn = this.#turn
    let left = limit
    // What becomes due inside a callback waits for the next batch.
    let ids = turn.due
    while (left > 0 && ids > 0) {
      const slot = this.#connections.find(turn.firstDue!)
      if (slot >= 0 && this.#deliverHeld(slot)) {
        left--
        continue
      }
      ids--
      turn.settleFirst(slot)
      if (slot >= 0) left -= this.#finishDue(slot)
    }
    // The batch is full. Without this, one connection that holds much would have the next batches to itself, too.
    if (ids > 0) turn.postponeFirst()
    return left
  }

  #deliverHeld(slot: number): boolean {
    try {
      return this.#receiving.deliverHeld(slot)
    } finally {
      this.#sending.flush()
    }
  }

  #admit(): number {
    try {
      return this.#life.admit()
    } finally {
      this.#sending.flush()
    }
  }

  /** After the last held chunk; answers how many events it delivered. */
  #finishDue(slot: number): number {
    const c = this.#connections
    if (c.states[slot] === State.waiting) return this.#admit()
    if (c.states[slot] !== State.open) return 0
    try {
      let events = this.#receiving.endHold(slot)
      events += this.#life.endErrorHold(slot)
      if (c.states[slot] === State.open && this.#sending.owes(slot)) events += this.#sending.onDrained(slot)
      return events
    } catch (error) {
      this.#turn.startWith(slot) // for what the callback that threw kept from its turn
      throw error
    } finally {
      this.#sending.flush()
    }
  }
}
