import { type ConnectionHandlers, type ConnectionId, checkId } from '@sockman/core'

const SLOTS = 2 ** 20

/** Where an id is in its life. */
export const State = {
  free: 0,
  connecting: 1,
  open: 2,
  /** `onError` was emitted: only `onClosed` may follow. */
  failed: 3,
  /** Closed by the owner: only `onClosed` follows. */
  closing: 4,
  /** Refused in `onAccepted`: its owner hears nothing more. */
  refused: 5,
  /** Ended by the signal of its connect: `onConnectFailed` follows. */
  aborted: 6,
  /** Accepted, and nobody has been told: its id is not in use yet (`backlog.ts`). */
  waiting: 7,
  /** Accepted and closed again before anybody was told. */
  unheard: 8,
} as const

export const Flag = {
  paused: 1,
  /** The engine was asked to receive no more. */
  stopped: 2,
  shutdown: 4,
  /** `onReadyToSend` is owed when the queue is empty. */
  awaitsReady: 8,
  borrowing: 16,
  /** Waits in the list of what the next batch begins with (`turn.ts`). */
  due: 32,
  /** The end of stream came while data was held. */
  heldEof: 64,
  /** A reset came while paused, and `supports.resetWhilePaused` is false. */
  heldError: 128,
} as const

/**
 * What JavaScript keeps of connections: arrays by slot, so that a connection costs no object. An id is
 * generation * 2^20 + slot: a call needs no map, and a slot's next connection another id.
 */
export class Connections {
  ids = new Float64Array(64)
  states = new Uint8Array(64)
  flags = new Uint8Array(64)
  /** Bytes queued when last asked; never less than there are. Written by `setQueued`. */
  queued = new Float64Array(64)
  /** The sum of `queued`. */
  queuedInAll = 0
  readonly handlers: (ConnectionHandlers | undefined)[] = []
  #generations = new Float64Array(64)
  #live = 0

  /** Ids that are not at their end. */
  get live(): number {
    return this.#live
  }

  add(slot: number, state: number, handlers: ConnectionHandlers): ConnectionId {
    if (slot >= this.ids.length) this.#grow(slot + 1)
    const generation = ++this.#generations[slot]!
    const id = generation * SLOTS + slot
    this.ids[slot] = id
    this.states[slot] = state
    this.flags[slot] = 0
    this.handlers[slot] = handlers
    this.#live++
    return id as ConnectionId
  }

  /** Ends the id; the slot may be given to another. */
  remove(slot: number): void {
    this.ids[slot] = 0
    this.states[slot] = State.free
    this.handlers[slot] = undefined
    this.setQueued(slot, 0)
    this.#live--
  }

  setQueued(slot: number, bytes: number): void {
    this.queuedInAll += bytes - this.queued[slot]!
    this.queued[slot] = bytes
  }

  /** The slot of an id that is not at its end, else -1. @throws SockError for what is no number */
  find(id: ConnectionId): number {
    checkId(id)
    const slot = id & (SLOTS - 1)
    return slot < this.ids.length && this.ids[slot] === id && id > 0 ? slot : -1
  }

  /** The slot of an id that its owner may still use, else -1. */
  findOpen(id: ConnectionId): number {
    const slot = this.find(id)
    return slot < 0 || this.states[slot]! >= State.closing ? -1 : slot
  }

  /** The ids that their owner may still use. */
  open(): ConnectionId[] {
    const ids: ConnectionId[] = []
    for (const slot of this.slots()) {
      if (this.states[slot]! < State.closing) ids.push(this.ids[slot] as ConnectionId)
    }
    return ids
  }

  /** The slots in use. */
  *slots(): Generator<number> {
    for (let slot = 0; slot < this.states.length; slot++) if (this.states[slot] !== State.free) yield slot
  }

  #grow(least: number): void {
    const size = Math.max(least, this.ids.length * 2)
    const float = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(size)
      to.set(from)
      return to
    }
    const byte = (from: Uint8Array): Uint8Array<ArrayBuffer> => {
      const to = new Uint8Array(size)
      to.set(from)
      return to
    }
    this.ids = float(this.ids)
    this.queued = float(this.queued)
    this.#generations = float(this.#generations)
    this.states = byte(this.states)
    this.flags = byte(this.flags)
  }
}
