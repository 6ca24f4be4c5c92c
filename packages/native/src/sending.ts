import { types } from 'node:util'
import {
  bytesOf,
  type ConnectionId,
  Fifo,
  invalidArgument,
  isReceiveMemory,
  lengthOf,
  memoryOf,
  queueFull,
  type ResolvedSockManOptions,
  resolveSendOptions,
  type Sendable,
  type SendOptions,
  SockError,
  SPARE_SEND,
  stopped,
  unknownConnection,
} from '@sockman/core'
import { type NativeEngine, SendFlag, SendResult } from './binding'
import { type Connections, Flag, State } from './connections'
import { Cork } from './cork'
import type { RunState } from './run-state'
import type { Turn } from './turn'

/** Beyond so many of a connection that are not reached, the last of them is put off: no limit counts them. */
const MOST_MARKS = 1024
/** Of most sends: a call less on their way. */
const NO_OPTIONS = resolveSendOptions(undefined)

/**
 * The outgoing side. Owns the cork; what the kernel does not take is the native half's (`send_path.h`), and here only
 * counted. A connection that was told to wait, or that lends a buffer, is owed an `onReadyToSend`.
 */
export class Sending {
  readonly #native: NativeEngine
  readonly #connections: Connections
  readonly #turn: Turn
  readonly #run: RunState
  readonly #options: ResolvedSockManOptions
  readonly #cork: Cork
  /** By slot: how many bytes the kernel is to have before `onSent` tells. */
  readonly #marks = new Map<number, Fifo<number>>()
  /** Calls that carried bytes. */
  sends = 0

  constructor(
    native: NativeEngine,
    connections: Connections,
    turn: Turn,
    run: RunState,
    options: ResolvedSockManOptions,
  ) {
    this.#native = native
    this.#connections = connections
    this.#turn = turn
    this.#run = run
    this.#options = options
    this.#cork = new Cork(native.cork)
  }

  send(id: ConnectionId, given: Sendable, options?: SendOptions): boolean {
    // A getter of the caller's may close the id or take the data's memory away, so it runs first. A `length` of the
    // caller's own may be more than there is, and what lies behind the data in the cork is another connection's.
    const { borrow, more, notify } = options === undefined ? NO_OPTIONS : resolveSendOptions(options)
    // Most are such, and a question less.
    const data = types.isUint8Array(given) ? given : bytesOf('data', given)
    const length = lengthOf(data)
    const c = this.#connections
    if (this.#run.stopping) throw stopped()
    const slot = c.find(id)
    const state = slot < 0 ? State.closing : c.states[slot]!
    if (state >= State.closing) throw unknownConnection(id)
    if (state === State.failed) return false
    if ((c.flags[slot]! & (Flag.shutdown | Flag.heldError)) !== 0) return this.#refuse(slot)
    if (length === 0) {
      bytesOf('data', data) // throws when there is nothing because its memory was taken away
      if (notify) this.#notify(slot)
      return true
    }
    this.sends++
    const flags = more ? SendFlag.more : 0
    const { copyThreshold, sendHighWater, sendQueueMax } = this.#options
    if (!borrow && length <= copyThreshold) {
      const expected = c.queued[slot]! + this.#cork.used + length
      if (expected <= sendQueueMax && this.#fitsInAll(expected, this.#cork.used + length)) {
        if (!this.#cork.fits(length)) this.flush()
        this.#cork.add(slot, data, length, flags)
        if (this.#turn.inBatch && expected <= sendHighWater && !notify) return true
        this.flush()
        if (notify) this.#notify(slot)
        return this.#room(slot)
      }
    }
    this.flush()
    const expected = c.queued[slot]! + length
    if (expected > sendQueueMax || !this.#fitsInAll(expected, length)) this.#assertRoom(slot, length)
    const room = this.#sendLarge(slot, data, flags | (borrow ? SendFlag.borrow : 0))
    if (notify) this.#notify(slot)
    return room
  }

  /**
   * The kernel is to have what was sent by now before `onSent`. Bytes that go to the kernel between the two questions are
   * counted twice, never left out; an empty queue answers every mark. The engine tells when the first of them is reached.
   */
  #notify(slot: number): void {
    this.flush()
    const queued = this.#native.queued(slot)
    const mark = queued + this.#native.sent(slot)
    const marks = this.#marks.get(slot) ?? new Fifo<number>()
    if (marks.length < MOST_MARKS) marks.add(mark)
    else marks.last = mark
    this.#marks.set(slot, marks)
    if (queued === 0) this.#turn.startWith(slot)
    else if (marks.length === 1) this.#native.notify(slot, mark)
  }

  /** Whether a connection may have `expected` bytes queued, `added` more than are counted, beside all others. */
  #fitsInAll(expected: number, added: number): boolean {
    return expected <= SPARE_SEND || this.#connections.queuedInAll + added <= this.#options.sendTotalMax
  }

  /** By what is queued now: what JavaScript has counted may have been sent. */
  #assertRoom(slot: number, length: number): void {
    const { sendQueueMax, sendTotalMax } = this.#options
    const queued = this.#native.queued(slot)
    this.#connections.setQueued(slot, queued)
    if (queued + length > sendQueueMax) throw queueFull(length, queued, 'sendQueueMax', sendQueueMax)
    if (queued + length <= SPARE_SEND) return
    const inAll = this.#native.queuedInAll()
    if (inAll + length > sendTotalMax) throw queueFull(length, inAll, 'sendTotalMax', sendTotalMax)
  }

  /** A send after `shutdown`, or one that finds out about an error that a pause holds back. */
  #refuse(slot: number): false {
    const c = this.#connections
    if ((c.flags[slot]! & Flag.shutdown) !== 0) throw SockError.fromErrno(32, 'send')
    c.flags[slot]! |= Flag.awaitsReady
    this.#turn.startWith(slot)
    return false
  }

  #sendLarge(slot: number, data: Uint8Array, flags: number): boolean {
    const c = this.#connections
    const borrow = (flags & SendFlag.borrow) !== 0
    const lend = borrow && !isReceiveMemory(memoryOf(data))
    const queued = this.#native.send(slot, data, lend ? flags : flags & ~SendFlag.borrow)
    if (queued === SendResult.detached)
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'data', 'attached to its buffer', data)
    if (borrow) {
      c.flags[slot]! |= Flag.awaitsReady
      if (queued === 0) this.#turn.startWith(slot)
      else if (lend) c.flags[slot]! |= Flag.borrowing
    }
    c.setQueued(slot, queued)
    return this.#room(slot)
  }

  /** send's boolean; false owes an `onReadyToSend`. */
  #room(slot: number): boolean {
    const c = this.#connections
    if (c.queued[slot]! <= this.#options.sendHighWater) return true
    c.flags[slot]! |= Flag.awaitsReady
    return false
  }

  /** What every callback ends with, and every call that must not overtake a send. */
  flush(): void {
    if (this.#cork.used > 0) this.#cork.flush(this.#native, this.#behind)
  }
  readonly #behind = (slot: number): void => {
    this.#connections.setQueued(slot, this.#native.queued(slot))
  }

  /** Whether `onDrained` has something to tell of a connection. */
  owes(slot: number): boolean {
    return (this.#connections.flags[slot]! & Flag.awaitsReady) !== 0 || this.#marks.has(slot)
  }
  /** The connection has failed, or closes: what it is owed is not told any more. */
  forget(slot: number): void {
    this.#marks.delete(slot)
  }

  /** Of an open slot. */
  shutdown(slot: number): void {
    const c = this.#connections
    if ((c.flags[slot]! & Flag.shutdown) !== 0) return
    this.flush()
    c.flags[slot]! |= Flag.shutdown
    this.#native.shutdown(slot)
  }

  /** Bytes still to be sent: none after an error. */
  queued(slot: number): number {
    return this.#connections.states[slot]! < State.failed ? this.#native.queued(slot) : 0
  }
  /** Of all connections. */
  queuedBytes(): number {
    return this.#run.ended ? 0 : this.#cork.used + this.#native.queuedInAll()
  }

  // ---- Records ----

  /**
   * There is a connection now. The engine has no record that asks for what was lent before, nor for a mark before the first
   * byte.
   */
  onConnected(slot: number): void {
    if ((this.#connections.flags[slot]! & Flag.borrowing) !== 0 || this.#marks.has(slot))
      this.#turn.startWith(slot)
  }

  /** The engine's queue is empty, or a mark is reached; answers how many events it delivered. */
  onDrained(slot: number): number {
    const c = this.#connections
    if (c.states[slot] !== State.open) return 0
    if ((c.flags[slot]! & Flag.borrowing) !== 0) {
      if (this.#native.pump(slot)) c.flags[slot]! &= ~Flag.borrowing
    }
    c.setQueued(slot, this.#native.queued(slot))
    let events = this.#tellSent(slot)
    // Not after another `onSent`, which its handler may ask for each time; and that handler may have closed it, or sent more.
    if (c.states[slot] !== State.open || c.queued[slot]! > 0 || (c.flags[slot]! & Flag.awaitsReady) === 0)
      return events
    c.flags[slot]! &= ~Flag.awaitsReady
    c.handlers[slot]!.readyToSend(c.ids[slot] as ConnectionId)
    return ++events
  }

  /** Tells of the marks that are reached; answers how many events that were. */
  #tellSent(slot: number): number {
    const c = this.#connections
    const marks = this.#marks.get(slot)
    if (!marks) return 0
    const sent = this.#native.sent(slot)
    const all = c.queued[slot] === 0
    let told = false
    while (marks.length > 0 && (all || marks.first! <= sent)) {
      marks.take()
      told = true
    }
    if (marks.length === 0) this.#marks.delete(slot)
    else this.#native.notify(slot, marks.first!)
    if (!told) return 0
    let returned = false
    try {
      c.handlers[slot]!.sent(c.ids[slot] as ConnectionId, sent)
      returned = true
    } finally {
      if (!returned) this.#turn.startWith(slot)
    }
    return 1
  }
}
