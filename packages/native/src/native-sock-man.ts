import { types } from 'node:util'
import {
  type Capabilities,
  type CloseOptions,
  type ConnectionId,
  type ConnectionOptions,
  type ConnectionStats,
  type ConnectOptions,
  channels,
  checkEvents,
  invalidArgument,
  type Listener,
  type ListenOptions,
  type Releasable,
  type ResolvedSockManOptions,
  resolveCloseOptions,
  resolveConnectionOptions,
  resolveConnectOptions,
  resolveListenOptions,
  type SelectionReport,
  type SendOptions,
  SockAddr,
  SockError,
  type SockMan,
  type SockManEvents,
  type Stats,
} from '@sockman/core'
import { CloseFlag, type NativeEngine, SendFlag, SendResult, type Warnings } from './binding'
import { Connections, Flag, State } from './connections'
import { Cork } from './cork'
import { Event, EventRing, Field } from './event-ring'
import { toSockError } from './failure'
import { Handlers } from './handlers'
import { HeldData } from './held'
import { enter, leave } from './running'

/** What a backend gives its SockMans. */
export interface NativeSetup {
  readonly supports: Readonly<Capabilities>
  /** The report, given the facts of the engine. */
  select(details: NativeEngine['details']): SelectionReport
  readonly options: ResolvedSockManOptions
  /** Makes the engine; `deliver` is called when records wait. */
  open(deliver: (most?: number) => number): NativeEngine
}

interface OwnListener extends Listener {
  readonly handlers: Handlers
  closed: boolean
}

/** What an `error` record says; `unread` bytes are left in the kernel. */
interface ErrorRecord {
  readonly errno: number
  readonly syscall: 'send' | 'recv'
  readonly unread: number
}

/** SockMan over a native engine: the same for all of them. */
export class NativeSockMan implements SockMan {
  readonly supports: Readonly<Capabilities>
  readonly selection: SelectionReport
  readonly #options: ResolvedSockManOptions
  readonly #handlers: Handlers
  readonly #native: NativeEngine
  readonly #ring: EventRing
  readonly #cork: Cork
  readonly #connections = new Connections()
  readonly #held = new HeldData()
  readonly #heldErrors = new Map<number, ErrorRecord>()
  readonly #listeners = new Map<number, OwnListener>()
  /** Of pending connects, to be undone at their end. */
  readonly #signals = new Map<number, () => void>()
  readonly #targets = new Map<number, SockAddr>()
  /** Slots that the next batch begins with: held data, or a queue that emptied at once. */
  #local: number[] = []
  #region: ArrayBuffer
  #inBatch = false
  #scheduled = false
  #referenced = true
  #alive = false
  #started = false
  #stopping: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #ended = false
  readonly #counts = { accepted: 0, connected: 0, sends: 0, events: 0, batches: 0 }

  constructor(events: SockManEvents, setup: NativeSetup) {
    checkEvents('events', events)
    this.supports = setup.supports
    this.#options = setup.options
    this.#handlers = new Handlers(events)
    this.#native = setup.open(this.#deliver)
    this.selection = setup.select(this.#native.details)
    this.#ring = new EventRing(this.#native.ringMemory)
    this.#cork = new Cork(this.#native.cork)
    this.#region = this.#native.region()
  }

  // ---- Listening ----

  listen(address: SockAddr | string, options?: ListenOptions): Listener {
    this.#assertRunning()
    const to = SockAddr.from(address)
    const { events, noDelay, keepAlive, backlog, reusePort, ipv6Only } = resolveListenOptions(options)
    return this.#addListener(events, to, () =>
      this.#native.listen(named(to), noDelay, keepAlive, backlog, reusePort, ipv6Only),
    )
  }

  adoptListener(sock: Releasable, options?: ListenOptions): Listener {
    this.#assertRunning()
    const { events } = resolveListenOptions(options)
    return this.#addListener(events, undefined, () => this.#native.adoptListener(release(sock)))
  }

  #addListener(
    events: SockManEvents | undefined,
    wanted: SockAddr | undefined,
    open: () => ReturnType<NativeEngine['listen']>,
  ): Listener {
    const [id, text, warnings] = this.#try(open, wanted)
    this.#start()
    const address = parseNative(text)
    const listener: OwnListener = {
      id,
      address,
      handlers: events ? new Handlers(events) : this.#handlers,
      closed: false,
      close: () => this.#closeListener(listener),
    }
    this.#listeners.set(id, listener)
    this.#warn(warnings, address)
    this.#updateAlive()
    if (channels.listener.hasSubscribers) {
      channels.listener.publish({ event: 'listening', backend: this.selection.backend, address })
    }
    return listener
  }

  #closeListener(listener: OwnListener): void {
    if (listener.closed || this.#ended) return
    listener.closed = true
    this.#native.closeListener(listener.id)
    if (channels.listener.hasSubscribers) {
      channels.listener.publish({
        event: 'closed',
        backend: this.selection.backend,
        address: listener.address,
      })
    }
  }

  // ---- Connections ----

  connect(address: SockAddr | string, options?: ConnectOptions): ConnectionId {
    this.#assertRunning()
    const to = SockAddr.from(address)
    const { events, noDelay, keepAlive, timeout, signal, localAddress } = resolveConnectOptions(options)
    const [slot, warnings] = this.#try(
      () =>
        this.#native.connect(named(to), localAddress ? named(localAddress) : '', timeout, noDelay, keepAlive),
      localAddress ?? to,
    )
    const id = this.#add(slot, State.connecting, events)
    this.#targets.set(slot, to)
    this.#warn(warnings, to)
    if (signal) this.#watchSignal(slot, signal)
    return id
  }

  adopt(sock: Releasable, options?: ConnectionOptions): ConnectionId {
    this.#assertRunning()
    const { events, noDelay, keepAlive } = resolveConnectionOptions(options)
    const [slot, warnings] = this.#try(() => this.#native.adopt(release(sock), noDelay, keepAlive))
    this.#warn(warnings, undefined)
    return this.#add(slot, State.open, events)
  }

  #add(slot: number, state: number, events: SockManEvents | undefined): ConnectionId {
    this.#start()
    const id = this.#connections.add(slot, state, events ? new Handlers(events) : this.#handlers)
    this.#updateAlive()
    return id
  }

  #watchSignal(slot: number, signal: AbortSignal): void {
    const abort = (): void => {
      this.#connections.states[slot] = State.aborted
      this.#native.close(slot, 0, 0)
    }
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    this.#signals.set(slot, () => signal.removeEventListener('abort', abort))
  }
  #unwatchSignal(slot: number): void {
    this.#signals.get(slot)?.()
    this.#signals.delete(slot)
  }

  // ---- Sending ----

  send(id: ConnectionId, data: Uint8Array, options?: SendOptions): boolean {
    if (!(data instanceof Uint8Array) && !types.isUint8Array(data)) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'data', 'a Uint8Array', data)
    }
    const c = this.#connections
    if (this.#stopping) throw stopped()
    const slot = c.find(id)
    const state = slot < 0 ? State.closing : c.states[slot]!
    if (state >= State.closing) throw unknownConnection(id)
    if (state === State.failed) return false
    if ((c.flags[slot]! & (Flag.shutdown | Flag.heldError)) !== 0) return this.#refuse(slot)
    if (data.length === 0) return assertAttached(data)
    this.#counts.sends++
    const flags = options?.more ? SendFlag.more : 0
    const { copyThreshold, sendHighWater, sendQueueMax } = this.#options
    if (!options?.borrow && data.length <= copyThreshold) {
      const expected = c.queued[slot]! + this.#cork.used + data.length
      if (expected <= sendQueueMax) {
        if (!this.#cork.fits(data.length)) this.#flush()
        this.#cork.add(slot, data, flags)
        if (this.#inBatch && expected <= sendHighWater) return true
        this.#flush()
        return this.#room(slot)
      }
    }
    this.#flush()
    if (c.queued[slot]! + data.length > sendQueueMax) {
      c.queued[slot] = this.#native.queued(slot)
      if (c.queued[slot]! + data.length > sendQueueMax)
        throw queueFull(data.length, c.queued[slot]!, sendQueueMax)
    }
    return this.#sendLarge(slot, data, flags | (options?.borrow ? SendFlag.borrow : 0))
  }

  /** A send after `shutdown`, or one that finds out about an error that a pause holds back. */
  #refuse(slot: number): false {
    const c = this.#connections
    if ((c.flags[slot]! & Flag.shutdown) !== 0) throw SockError.fromErrno(32, 'send')
    c.flags[slot]! |= Flag.awaitsReady
    this.#startWith(slot)
    return false
  }

  #sendLarge(slot: number, data: Uint8Array, flags: number): boolean {
    const c = this.#connections
    const queued = this.#native.send(slot, data, flags)
    if (queued === SendResult.detached)
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'data', 'attached to its buffer', data)
    if (flags & SendFlag.borrow) {
      c.flags[slot]! |= Flag.awaitsReady
      if (queued === SendResult.freeAlready) this.#startWith(slot)
      else c.flags[slot]! |= Flag.borrowing
    }
    c.queued[slot] = Math.max(0, queued)
    return this.#room(slot)
  }

  /** send's boolean; false owes an `onReadyToSend`. */
  #room(slot: number): boolean {
    const c = this.#connections
    if (c.queued[slot]! <= this.#options.sendHighWater) return true
    c.flags[slot]! |= Flag.awaitsReady
    return false
  }

  #flush(): void {
    this.#cork.flush(this.#native, this.#behind)
  }
  readonly #behind = (slot: number): void => {
    this.#connections.queued[slot] = this.#native.queued(slot)
  }

  shutdown(id: ConnectionId): void {
    const c = this.#connections
    const slot = this.#findOpen(id)
    if (slot < 0 || (c.flags[slot]! & Flag.shutdown) !== 0) return
    this.#flush()
    c.flags[slot]! |= Flag.shutdown
    this.#native.shutdown(slot)
  }

  // ---- Receiving ----

  pause(id: ConnectionId): void {
    const slot = this.#findOpen(id)
    if (slot >= 0) this.#connections.flags[slot]! |= Flag.paused
  }

  resume(id: ConnectionId): void {
    const c = this.#connections
    const slot = this.#findOpen(id)
    if (slot < 0 || (c.flags[slot]! & Flag.paused) === 0) return
    c.flags[slot]! &= ~Flag.paused
    const due = Flag.stopped | Flag.heldEof | Flag.heldError
    if (this.#held.has(slot) || (c.flags[slot]! & due) !== 0) this.#startWith(slot)
  }

  /** The next batch begins with what is due for `slot`. */
  #startWith(slot: number): void {
    if ((this.#connections.flags[slot]! & Flag.local) !== 0) return
    this.#connections.flags[slot]! |= Flag.local
    this.#local.push(slot)
    if (!this.#inBatch) this.#native.ring()
  }

  // ---- Ending ----

  close(id: ConnectionId, options?: CloseOptions): boolean {
    const { flush, timeout, reset } = resolveCloseOptions(options)
    const slot = this.#findOpen(id)
    if (slot < 0 || this.#ended) return false
    this.#flush()
    this.#close(slot, (flush ? CloseFlag.flush : 0) | (reset ? CloseFlag.reset : 0), timeout)
    return true
  }

  #close(slot: number, flags: number, timeout: number): void {
    const c = this.#connections
    c.states[slot] = State.closing
    c.lost[slot] = this.#native.close(slot, flags, timeout)
    this.#held.drop(slot)
    this.#unwatchSignal(slot)
  }

  stop(): Promise<void> {
    if (this.#stopping) return this.#stopping.promise
    let resolve!: () => void
    const promise = new Promise<void>((done) => {
      resolve = done
    })
    this.#flush()
    this.#stopping = { promise, resolve }
    if (!this.#started) {
      this.#ended = true
      this.#native.join()
      resolve()
      return promise
    }
    for (const listener of this.#listeners.values()) this.#closeListener(listener)
    for (const slot of this.#connections.slots()) {
      const state = this.#connections.states[slot]!
      if (state < State.closing) this.#close(slot, 0, 0)
    }
    this.#native.stop()
    this.#updateAlive()
    return promise
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** Ends everything now, without events, blocking until the engine is at rest: for the end of the process. */
  dispose(): void {
    this.#ended = true
    this.#native.dispose()
  }

  ref(): this {
    this.#referenced = true
    this.#updateAlive()
    return this
  }

  unref(): this {
    this.#referenced = false
    this.#updateAlive()
    return this
  }

  /** A stopping SockMan holds the process whatever it was told. */
  #updateAlive(): void {
    const stopping = this.#stopping !== undefined && !this.#ended
    const working = this.#connections.live > 0 || this.#listeners.size > 0
    const alive = this.#started && (stopping || (working && this.#referenced && !this.#ended))
    if (alive === this.#alive) return
    this.#alive = alive
    this.#native.keepAlive(alive)
  }

  // ---- Observation ----

  stats(): Stats {
    const [
      bytesReceived,
      chunksReceived,
      bytesSent,
      syscalls,
      wakeups,
      exhausted,
      pool,
      overflows,
      acceptErrors,
    ] = this.#native.stats()
    let queuedBytes = this.#cork.used
    if (!this.#ended) for (const slot of this.#connections.slots()) queuedBytes += this.#queuedOf(slot)
    return {
      ...this.#counts,
      connections: this.#connections.live,
      listeners: this.#listeners.size,
      bytesReceived,
      bytesSent,
      chunksReceived,
      syscalls,
      wakeups,
      queuedBytes,
      heldBytes: this.#held.bytes,
      buffersExhausted: exhausted,
      receivePool: pool,
      overflows,
      acceptErrors,
    }
  }

  connectionStats(id: ConnectionId): ConnectionStats {
    const slot = this.#findOpen(id)
    if (slot < 0) throw unknownConnection(id)
    const [bytesReceived, bytesSent, sinceReceive, sinceSend] = this.#native.connectionStats(slot)
    const now = Date.now()
    return {
      bytesReceived,
      bytesSent,
      queuedBytes: this.#queuedOf(slot),
      heldBytes: this.#held.bytesOf(slot),
      paused: (this.#connections.flags[slot]! & Flag.paused) !== 0,
      lastReceive: sinceReceive < 0 ? 0 : now - sinceReceive,
      lastSend: sinceSend < 0 ? 0 : now - sinceSend,
    }
  }

  /** What is still to be sent: nothing after an error. */
  #queuedOf(slot: number): number {
    return this.#connections.states[slot]! < State.failed ? this.#native.queued(slot) : 0
  }

  // ---- Events ----

  /**
   * One batch: called by the drive when records wait. Its cursor is the ring's, moved on before each callback: one that
   * throws loses nothing, and what is left follows in a turn of its own. Answers how many events it delivered.
   */
  readonly #deliver = (most: number = this.#options.batchLimit): number => {
    if (this.#ended || this.#inBatch || this.#scheduled) return 0
    let left = most
    this.#inBatch = true
    try {
      left = this.#deliverLocal(left)
      while (left > 0 && this.#ring.waiting > 0) {
        left--
        const position = this.#ring.take()
        try {
          this.#dispatch(position)
        } finally {
          this.#finishEvent()
        }
        if (this.#ended) return most - left
      }
      if (left === most) return 0
      this.#counts.batches++
      if (!this.#stopping) {
        try {
          this.#handlers.batchEnd()
        } finally {
          this.#flush()
        }
      }
      return most - left
    } finally {
      this.#counts.events += most - left
      this.#inBatch = false
      if (!this.#ended && (this.#ring.waiting > 0 || this.#local.length > 0)) this.#continue()
    }
  }

  /**
   * In a later turn of Node's loop, so that timers and others have theirs. The doorbell would be answered in this turn
   * still, so with the thread drive it is an immediate, and the doorbell is not answered before it.
   */
  #continue(): void {
    if (this.selection.drive === 'inline') return this.#native.ring()
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  /** What every callback ends with: sends leave, and the record and its block go back. */
  #finishEvent(): void {
    if (this.#cork.used > 0) this.#flush()
    if (this.#ring.release()) this.#native.wake()
  }

  #dispatch(position: number): void {
    const { words } = this.#ring
    const at = this.#ring.at(position)
    const slot = words[at + Field.slot]!
    switch (words[at + Field.event]) {
      case Event.data:
        return this.#onData(slot, at)
      case Event.accepted:
        return this.#onAccepted(slot, position)
      case Event.connected:
        return this.#onConnected(slot)
      case Event.eof:
        return this.#onEof(slot)
      case Event.error:
        return this.#onError(slot, at)
      case Event.drained:
        return this.#onDrained(slot)
      case Event.closed:
        return this.#onClosed(slot, at)
      case Event.listenError:
        return this.#onListenError(slot, words[at + Field.a]!)
      case Event.listenerClosed:
        this.#listeners.delete(slot)
        this.#native.freeListener(slot)
        return this.#updateAlive()
      case Event.stopped:
        // Not from inside the drive's own turn: it is what ends.
        setImmediate(() => this.#end())
    }
  }

  #onData(slot: number, at: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    const { words } = this.#ring
    // A transferred or detached region is replaced by a new view of the same memory (C77).
    if (this.#region.byteLength === 0) this.#region = this.#native.region()
    const data = new Uint8Array(this.#region, words[at + Field.offset]!, words[at + Field.length]!)
    if ((c.flags[slot]! & Flag.paused) !== 0 || this.#held.has(slot)) {
      words[at + Field.held] = 1
      this.#held.add(slot, data)
      if ((c.flags[slot]! & Flag.stopped) === 0) {
        c.flags[slot]! |= Flag.stopped
        this.#native.hold(slot)
      }
      return
    }
    if (!this.#options.poison) return c.handlers[slot]!.data(c.ids[slot] as ConnectionId, data)
    try {
      c.handlers[slot]!.data(c.ids[slot] as ConnectionId, data)
    } finally {
      data.fill(0xdb)
    }
  }

  /** What resumed connections held, and queues that emptied at once. */
  #deliverLocal(limit: number): number {
    if (this.#local.length === 0) return limit
    const slots = this.#local
    this.#local = []
    let left = limit
    while (slots.length > 0) {
      const slot = slots[0]!
      if (left > 0 && this.#deliverHeld(slot)) {
        left--
        continue
      }
      slots.shift()
      if (left === 0) {
        this.#local.push(slot, ...slots)
        break
      }
      this.#connections.flags[slot]! &= ~Flag.local
      left -= this.#finishLocal(slot)
    }
    return left
  }

  /** One held chunk; false when none is due. */
  #deliverHeld(slot: number): boolean {
    const c = this.#connections
    if (c.states[slot] !== State.open || (c.flags[slot]! & Flag.paused) !== 0) return false
    const data = this.#held.shift(slot)
    if (!data) return false
    try {
      c.handlers[slot]!.data(c.ids[slot] as ConnectionId, data)
    } finally {
      if (this.#options.poison) data.fill(0xdb)
      this.#flush()
    }
    return true
  }

  #finishLocal(slot: number): number {
    const c = this.#connections
    if (c.states[slot] !== State.open) return 0
    let events = 0
    if ((c.flags[slot]! & Flag.paused) === 0) {
      if ((c.flags[slot]! & Flag.stopped) !== 0) {
        c.flags[slot]! &= ~Flag.stopped
        this.#native.resume(slot, this.#held.settle(slot))
      }
      if ((c.flags[slot]! & Flag.heldEof) !== 0) {
        c.flags[slot]! &= ~Flag.heldEof
        this.#emitEof(slot)
        events++
      }
    }
    if ((c.flags[slot]! & Flag.heldError) !== 0 && !this.#holdsError(slot)) {
      this.#emitError(slot, this.#heldErrors.get(slot)!)
      events++
    }
    if (c.states[slot] === State.open && (c.flags[slot]! & Flag.awaitsReady) !== 0) this.#onDrained(slot)
    this.#flush()
    return events
  }

  #onAccepted(number: number, position: number): void {
    const listener = this.#listeners.get(number)
    if (this.#stopping || !listener) return this.#native.reject(position)
    const slot = this.#native.admit(position)
    if (slot < 0) return
    const c = this.#connections
    const id = c.add(slot, State.open, listener.handlers)
    this.#updateAlive()
    const [me, them] = this.#native.established(slot).map(parseNative) as [SockAddr, SockAddr]
    this.#counts.accepted++
    if (channels.connection.hasSubscribers) {
      channels.connection.publish({ event: 'accepted', backend: this.selection.backend, id, me, them })
    }
    let wanted = true
    try {
      wanted = listener.handlers.accepted(id, me, them, listener)
    } finally {
      if (c.states[slot] === State.open) {
        this.#flush()
        if (wanted) {
          this.#native.start(slot)
        } else {
          this.#close(slot, 0, 0)
          c.states[slot] = State.refused
        }
      }
    }
  }

  #onConnected(slot: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.connecting) return
    c.states[slot] = State.open
    this.#unwatchSignal(slot)
    const [me, them] = this.#native.established(slot).map(parseNative) as [SockAddr, SockAddr]
    const id = c.ids[slot] as ConnectionId
    this.#counts.connected++
    if (channels.connection.hasSubscribers) {
      channels.connection.publish({ event: 'connected', backend: this.selection.backend, id, me, them })
    }
    c.handlers[slot]!.connected(id, me, them)
  }

  #onEof(slot: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    if ((c.flags[slot]! & Flag.paused) !== 0 || this.#held.has(slot)) c.flags[slot]! |= Flag.heldEof
    else this.#emitEof(slot)
  }
  #emitEof(slot: number): void {
    const c = this.#connections
    const id = c.ids[slot] as ConnectionId
    if (!c.handlers[slot]!.eof(id)) this.close(id)
  }

  #onError(slot: number, at: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    const { words } = this.#ring
    const error: ErrorRecord = {
      errno: words[at + Field.a]!,
      syscall: words[at + Field.b] === 1 ? 'send' : 'recv',
      unread: words[at + Field.length]!,
    }
    if (error.syscall === 'send' || this.supports.resetWhilePaused || !this.#holdsError(slot)) {
      return this.#emitError(slot, error)
    }
    // Whether an engine that promises nothing notices it now is a matter of chance: after `resume` then, and the data.
    c.flags[slot]! |= Flag.heldError
    this.#heldErrors.set(slot, error)
  }
  /** A pause holds an error back, unless a send waits for an answer (C54). */
  #holdsError(slot: number): boolean {
    return (this.#connections.flags[slot]! & (Flag.paused | Flag.awaitsReady)) === Flag.paused
  }
  #emitError(slot: number, { errno, syscall, unread }: ErrorRecord): void {
    const c = this.#connections
    const undeliveredBytes = this.#held.drop(slot) + unread
    const unsentBytes = this.#native.queued(slot)
    const [, them] = this.#native.established(slot)
    c.states[slot] = State.failed
    this.#heldErrors.delete(slot)
    const id = c.ids[slot] as ConnectionId
    const where = this.#targets.get(slot)?.where ?? parseNative(them).where
    const error = SockError.fromErrno(errno, syscall, where, { undeliveredBytes, unsentBytes })
    if (!c.handlers[slot]!.error(id, error)) this.close(id)
  }

  #onDrained(slot: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    if ((c.flags[slot]! & Flag.borrowing) !== 0) {
      if (this.#native.pump(slot)) c.flags[slot]! &= ~Flag.borrowing
    }
    c.queued[slot] = this.#native.queued(slot)
    if (c.queued[slot]! > 0 || (c.flags[slot]! & Flag.awaitsReady) === 0) return
    c.flags[slot]! &= ~Flag.awaitsReady
    c.handlers[slot]!.readyToSend(c.ids[slot] as ConnectionId)
  }

  #onClosed(slot: number, at: number): void {
    const c = this.#connections
    const { words } = this.#ring
    const state = c.states[slot]!
    const id = c.ids[slot] as ConnectionId
    const handlers = c.handlers[slot]!
    const errno = words[at + Field.a]!
    const unsent = (words[at + Field.length]! >>> 0) + words[at + Field.b]! * 2 ** 32 + c.lost[slot]!
    const target = this.#targets.get(slot)
    this.#targets.delete(slot)
    this.#unwatchSignal(slot)
    this.#held.drop(slot)
    this.#heldErrors.delete(slot)
    c.remove(slot)
    this.#native.free(slot)
    this.#updateAlive()
    if (state === State.refused) return
    if (state === State.connecting || state === State.aborted) {
      const error =
        state === State.aborted ? aborted(target!) : SockError.fromErrno(errno, 'connect', target!.where)
      this.#publishEnd('connectFailed', id, { error })
      return handlers.connectFailed(id, error)
    }
    this.#publishEnd('closed', id, { unsentBytes: unsent })
    handlers.closed(id, unsent)
  }
  #publishEnd(
    event: 'connectFailed' | 'closed',
    id: ConnectionId,
    more: { error?: SockError; unsentBytes?: number },
  ): void {
    if (!channels.connection.hasSubscribers) return
    channels.connection.publish({ event, backend: this.selection.backend, id, ...more })
  }

  #onListenError(number: number, errno: number): void {
    const listener = this.#listeners.get(number)
    if (!listener || listener.closed) return
    const error = SockError.fromErrno(errno, 'accept', listener.address.where)
    if (channels.listener.hasSubscribers) {
      channels.listener.publish({
        event: 'error',
        backend: this.selection.backend,
        address: listener.address,
        error,
      })
    }
    listener.handlers.listenError(listener, error)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#native.join()
    leave(this)
    this.#updateAlive()
    this.#stopping!.resolve()
  }

  // ---- Helpers ----

  #start(): void {
    if (this.#started) return
    this.#started = true
    enter(this)
  }
  #assertRunning(): void {
    if (this.#stopping || this.#ended) throw stopped()
  }
  /** The slot of an id that its owner may still use, else -1. */
  #findOpen(id: ConnectionId): number {
    const slot = this.#connections.find(id)
    return slot < 0 || this.#connections.states[slot]! >= State.closing ? -1 : slot
  }
  #try<T>(call: () => T, address?: SockAddr): T {
    try {
      return call()
    } catch (error) {
      throw toSockError(error, address)
    }
  }
  #warn(warnings: Warnings, address: SockAddr | undefined): void {
    if (warnings.length === 0 || !channels.warning.hasSubscribers) return
    for (let at = 0; at < warnings.length; at += 2) {
      const error = SockError.fromErrno(warnings[at + 1] as number, 'setsockopt', address?.where)
      const message = `${warnings[at]} could not be set`
      channels.warning.publish({ backend: this.selection.backend, code: 'SOCKOPT', message, error })
    }
  }
}

/** As the native half reads it: the same grammar. */
function named(address: SockAddr): string {
  return address.toString()
}

function parseNative(text: string): SockAddr {
  return text === 'unix:' ? SockAddr.unnamed : SockAddr.parse(text)
}

function release(sock: Releasable): number {
  if (typeof sock?.release !== 'function') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'sock', 'an object with release()', sock)
  }
  const fd = sock.release()
  if (!Number.isInteger(fd) || fd < 0)
    throw invalidArgument('ERR_OUT_OF_RANGE', 'sock.release()', 'a descriptor', fd)
  return fd
}

/** Empty data is fine, unless it is empty because its buffer was taken away. */
function assertAttached(data: Uint8Array): true {
  try {
    new Uint8Array(data.buffer)
  } catch {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'data', 'attached to its buffer', data)
  }
  return true
}

const stopped = (): SockError => new SockError('this SockMan was stopped', { code: 'ERR_STOPPED' })
const unknownConnection = (id: unknown): SockError =>
  new SockError(`no connection ${String(id)}`, { code: 'ERR_UNKNOWN_CONNECTION' })
const aborted = (target: SockAddr): SockError =>
  new SockError(`connect to ${target} was aborted`, {
    code: 'ABORT_ERR',
    syscall: 'connect',
    ...target.where,
  })
const queueFull = (length: number, queued: number, most: number): SockError =>
  new SockError(`${length} bytes do not fit: ${queued} of sendQueueMax ${most} are queued`, {
    code: 'ERR_SEND_QUEUE_FULL',
  })
