import { type Bytes, type ConnectionId, markReceiveMemory, type SockError, viewOf } from '@sockman/core'
import type { NativeEngine } from './binding'
import type { ConnectionLife } from './connection-life'
import { type Connections, Flag, State } from './connections'
import { type EventRing, Field } from './event-ring'
import { attempt } from './failure'
import type { HeldData } from './held'
import type { Turn } from './turn'

/**
 * The incoming side: views of the receive memory, or, for a paused connection, what is held until it resumes. The
 * engine is asked to stop only when data comes while paused, and to go on once all of it is delivered.
 */
export class Receiving {
  readonly #native: NativeEngine
  readonly #words: Int32Array
  readonly #connections: Connections
  readonly #held: HeldData
  readonly #turn: Turn
  readonly #life: ConnectionLife
  readonly #poison: boolean
  /** The receive memory: the native half's, which the kernel writes into. */
  #region: ArrayBuffer

  constructor(
    native: NativeEngine,
    ring: EventRing,
    connections: Connections,
    held: HeldData,
    turn: Turn,
    life: ConnectionLife,
    poison: boolean,
  ) {
    this.#native = native
    this.#words = ring.words
    this.#connections = connections
    this.#held = held
    this.#turn = turn
    this.#life = life
    this.#poison = poison
    this.#region = markReceiveMemory(native.receiveMemory)
  }

  /** Of an open slot. */
  pause(slot: number): void {
    this.#connections.flags[slot]! |= Flag.paused
  }

  /** Of an open slot. */
  resume(slot: number): void {
    const c = this.#connections
    if ((c.flags[slot]! & Flag.paused) === 0) return
    c.flags[slot]! &= ~Flag.paused
    const due = Flag.stopped | Flag.heldEof | Flag.heldError
    if (this.#held.has(slot) || (c.flags[slot]! & due) !== 0) this.#turn.startWith(slot)
  }

  // ---- Held: called by the next batch ----

  /** One held chunk; false when none is due. */
  deliverHeld(slot: number): boolean {
    const c = this.#connections
    if (c.states[slot] !== State.open || (c.flags[slot]! & Flag.paused) !== 0) return false
    const data = this.#held.take(slot)
    if (!data) return false
    this.#emit(slot, data)
    return true
  }

  /** Nothing held is due any more: lets the engine go on, unless paused again. Answers how many events it delivered. */
  endHold(slot: number): number {
    const c = this.#connections
    if ((c.flags[slot]! & Flag.paused) !== 0) return 0
    if ((c.flags[slot]! & Flag.stopped) !== 0) {
      c.flags[slot]! &= ~Flag.stopped
      this.#native.resume(slot, this.#held.settle(slot))
    }
    if ((c.flags[slot]! & Flag.heldEof) === 0) return 0
    c.flags[slot]! &= ~Flag.heldEof
    this.#emitEof(slot)
    return 1
  }

  // ---- Records ----

  onData(slot: number, at: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    const words = this.#words
    // A transferred or detached region is replaced by a new view of the same memory (C77).
    if (this.#region.byteLength === 0 && !this.#renewRegion(slot, words[at + Field.length]!)) return
    const data = viewOf(this.#region, words[at + Field.offset]!, words[at + Field.length]!)
    if ((c.flags[slot]! & Flag.paused) === 0 && !this.#held.has(slot)) return this.#emit(slot, data)
    words[at + Field.held] = 1
    this.#held.add(slot, data)
    if ((c.flags[slot]! & Flag.stopped) !== 0) return
    c.flags[slot]! |= Flag.stopped
    this.#native.hold(slot)
  }
  /** Where it is refused, these bytes are lost, and with them the connection. */
  #renewRegion(slot: number, length: number): boolean {
    try {
      this.#region = markReceiveMemory(attempt(() => this.#native.region()))
      return true
    } catch (error) {
      this.#native.hold(slot)
      this.#life.lose(slot, (error as SockError).errno!, length)
      return false
    }
  }
  #emit(slot: number, data: Bytes): void {
    const c = this.#connections
    if (!this.#poison) return c.handlers[slot]!.data(c.ids[slot] as ConnectionId, data)
    try {
      c.handlers[slot]!.data(c.ids[slot] as ConnectionId, data)
    } finally {
      data.fill(0xdb)
    }
  }

  onEof(slot: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    if ((c.flags[slot]! & Flag.paused) !== 0 || this.#held.has(slot)) c.flags[slot]! |= Flag.heldEof
    else this.#emitEof(slot)
  }
  #emitEof(slot: number): void {
    const c = this.#connections
    if (!c.handlers[slot]!.eof(c.ids[slot] as ConnectionId)) this.#life.closeByEof(slot)
  }
}
