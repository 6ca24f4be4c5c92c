import {
  AbortWatch,
  aborted,
  type ConnectionHandlers,
  type ConnectionId,
  FLUSH_TIMEOUT,
  type Handlers,
  type Releasable,
  type ResolvedConnectionOptions,
  type ResolvedConnectOptions,
  type ResolvedLimits,
  type ResolvedTcpOptions,
  type SockAddr,
  SockError,
} from '@sockman/core'
import type { Announcer } from './announcer'
import type { Backlog } from './backlog'
import { CloseFlag, Limit, type NativeEngine, type Warnings } from './binding'
import { type Connections, Flag, State } from './connections'
import { type EventRing, Field } from './event-ring'
import { attempt } from './failure'
import type { HeldData } from './held'
import type { Listeners, OwnListener } from './listeners'
import { Outbound } from './outbound'
import type { RunState } from './run-state'
import type { Sending } from './sending'
import { addressText, parseAddress, takeWhileRunning, tcpOptions } from './values'

/** What an `error` record says; `unread` bytes are left in the kernel. */
interface ErrorRecord {
  readonly errno: number
  readonly syscall: 'send' | 'recv'
  readonly unread: number
}

/**
 * The life of ids, from connect, adopt or accept to their end. A slot is taken when the id is made and freed at
 * `closed`, the last record about it.
 */
export class ConnectionLife {
  readonly #native: NativeEngine
  readonly #words: Int32Array
  readonly #connections: Connections
  readonly #held: HeldData
  readonly #sending: Sending
  readonly #listeners: Listeners
  readonly #backlog: Backlog
  readonly #run: RunState
  readonly #announcer: Announcer
  readonly #handlers: Handlers
  readonly #resetWhilePaused: boolean
  readonly #outbound = new Outbound()
  /** Errors that a pause holds back, by slot. */
  readonly #heldErrors = new Map<number, ErrorRecord>()
  /** How many there were. */
  accepted = 0
  connected = 0
  refused = 0
  connectsFailed = 0
  broken = 0

  constructor(parts: {
    readonly native: NativeEngine
    readonly ring: EventRing
    readonly connections: Connections
    readonly held: HeldData
    readonly sending: Sending
    readonly listeners: Listeners
    readonly backlog: Backlog
    readonly run: RunState
    readonly announcer: Announcer
    readonly handlers: Handlers
    readonly resetWhilePaused: boolean
  }) {
    this.#native = parts.native
    this.#words = parts.ring.words
    this.#connections = parts.connections
    this.#held = parts.held
    this.#sending = parts.sending
    this.#listeners = parts.listeners
    this.#backlog = parts.backlog
    this.#run = parts.run
    this.#announcer = parts.announcer
    this.#handlers = parts.handlers
    this.#resetWhilePaused = parts.resetWhilePaused
  }

  // ---- Begin ----

  connect(to: SockAddr, options: ResolvedConnectOptions): ConnectionId {
    const { events, timeout, signal, localAddress } = options
    const handlers = this.#handlers.or(events)
    const from = localAddress ? addressText(localAddress) : ''
    const watch = signal && new AbortWatch(signal)
    let slot: number
    let warnings: Warnings
    try {
      this.#run.assertRunning()
      const open = () => this.#native.connect(addressText(to), from, timeout, tcpOptions(options.tcp))
      ;[slot, warnings] = attempt(open, localAddress ?? to)
      this.#limit(slot, options.limits)
      this.#native.start(slot)
    } catch (error) {
      watch?.end()
      throw error
    }
    const id = this.#add(slot, State.connecting, handlers)
    this.#outbound.add(slot, to, watch)
    this.#announcer.warn(warnings, to)
    watch?.begin(() => this.#abort(id))
    return id
  }

  #abort(id: ConnectionId): void {
    const c = this.#connections
    const slot = c.find(id)
    if (slot < 0 || c.states[slot] !== State.connecting) return
    c.states[slot] = State.aborted
    this.#native.close(slot, 0, 0)
  }

  adopt(sock: Releasable, options: ResolvedConnectionOptions): ConnectionId {
    const handlers = this.#handlers.or(options.events)
    const fd = takeWhileRunning(sock, this.#run)
    const [slot, warnings] = attempt(() => this.#native.adopt(fd, tcpOptions(options.tcp)))
    this.#limit(slot, options.limits)
    this.#native.start(slot)
    const id = this.#add(slot, State.open, handlers)
    this.#announcer.warn(warnings, undefined)
    return id
  }

  #add(slot: number, state: number, handlers: ConnectionHandlers): ConnectionId {
    this.#run.hold()
    return this.#connections.add(slot, state, handlers)
  }

  // ---- Meanwhile ----

  /** Of an open slot. The descriptor of one that is connecting belongs to the engine, which closes it when that fails. */
  setOptions(slot: number, tcp: ResolvedTcpOptions, limits?: ResolvedLimits): void {
    this.#limit(slot, limits)
    if (this.#connections.states[slot] === State.connecting) return this.#outbound.postpone(slot, tcp)
    attempt(() => this.#native.setOptions(slot, tcpOptions(tcp)), this.addresses(slot).them)
  }

  #limit(slot: number, limits: ResolvedLimits | undefined): void {
    if (!limits) return
    for (const [name, amount] of Object.entries(limits))
      this.#native.limit(slot, Limit[name as keyof ResolvedLimits], amount)
  }

  /** Of an open slot. */
  addresses(slot: number): { readonly me: SockAddr | undefined; readonly them: SockAddr } {
    if (this.#connections.states[slot] === State.connecting)
      return { me: undefined, them: this.#outbound.target(slot)! }
    const [me, them] = this.#established(slot)
    return { me, them }
  }

  // ---- End ----

  /** Of an open slot. Nothing but `closed` follows. */
  close(slot: number, flags: number, timeout: number): void {
    this.#sending.flush()
    const c = this.#connections
    c.states[slot] = State.closing
    this.#native.close(slot, flags, timeout)
    this.#held.drop(slot)
    this.#sending.forget(slot)
    this.#outbound.unwatch(slot)
  }

  /** There was no handler to tell of the peer's end: what was answered is sent (C63). */
  closeByEof(slot: number): void {
    this.close(slot, CloseFlag.flush, FLUSH_TIMEOUT)
  }

  closeAll(flags: number, timeout: number): void {
    const c = this.#connections
    this.#backlog.drop()
    for (const slot of c.slots()) {
      if (c.states[slot]! < State.closing) this.close(slot, flags, timeout)
      // The engine closes an aborted connect already, and after `stop` nothing is told but `onClosed` (C9).
      else if (c.states[slot] === State.aborted) c.states[slot] = State.closing
    }
  }

  // ---- Records ----

  onAccepted(number: number, position: number): void {
    const listener = this.#listeners.get(number)
    if (this.#run.stopping || !listener) return this.#native.reject(position)
    const slot = this.#native.admit(position, number)
    if (slot < 0) return
    this.#add(slot, State.waiting, listener.handlers)
    this.#backlog.add(slot, listener)
    try {
      this.admit()
    } finally {
      // Accepted before the listener closed: told where there is a place, and else nobody would end it.
      if (listener.closed) this.#backlog.drop(listener)
    }
  }

  /** The accepted connection that has waited the longest, where it may live now; answers how many events that made. */
  admit(): number {
    const admitted = this.#backlog.take()
    if (!admitted) return 0
    this.#backlog.lookAgain()
    this.#accept(admitted.slot, admitted.listener)
    return 1
  }

  #accept(slot: number, listener: OwnListener): void {
    const c = this.#connections
    const id = c.ids[slot] as ConnectionId
    const [me, them] = this.#established(slot)
    if (!this.#isAdmitted(slot, listener, them)) return
    c.states[slot] = State.open
    this.accepted++
    this.#limit(slot, listener.limits)
    this.#announcer.accepted(id, me, them)
    // A subscriber has closed the connection, or stopped this SockMan: the owner has not heard of the connection.
    if (c.states[slot] !== State.open) {
      c.states[slot] = State.refused
      return
    }
    let wanted = true
    try {
      wanted = listener.handlers.accepted(id, me, them, listener)
    } finally {
      if (c.states[slot] === State.open) {
        this.#sending.flush()
        if (wanted) this.#native.start(slot)
        else this.#refuse(slot)
      } else if (!wanted) {
        // Closed inside the callback, then refused: nothing more is told (C24).
        c.states[slot] = State.refused
        this.refused++
      }
    }
  }

  /** What the listener's lists say, which are code of the caller's: where they throw, the peer is not admitted. */
  #isAdmitted(slot: number, listener: OwnListener, them: SockAddr): boolean {
    let admitted = false
    try {
      admitted = listener.admits(them)
    } finally {
      // After a stop() in there nobody else would end it.
      if (!admitted || this.#run.stopping) this.#refuse(slot, State.unheard)
    }
    return admitted && !this.#run.stopping
  }

  /** Nothing is told of it any more. */
  #refuse(slot: number, state: number = State.refused): void {
    this.refused++
    this.close(slot, 0, 0)
    this.#connections.states[slot] = state
  }

  onConnected(slot: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.connecting) return
    c.states[slot] = State.open
    const [me, them] = this.#established(slot)
    const id = c.ids[slot] as ConnectionId
    this.connected++
    this.#sending.onConnected(slot)
    this.#setPostponed(slot, them)
    this.#announcer.connected(id, me, them)
    // A subscriber has closed the connection: the owner is told of the end alone.
    if (c.states[slot] !== State.open) return
    try {
      c.handlers[slot]!.connected(id, me, them)
    } finally {
      this.#outbound.unwatch(slot)
    }
  }

  #setPostponed(slot: number, them: SockAddr): void {
    const tcp = this.#outbound.takePostponed(slot)
    if (!tcp) return
    try {
      this.setOptions(slot, tcp)
    } catch (error) {
      this.#announcer.warn(['an option', (error as SockError).errno!], them)
    }
  }

  #established(slot: number): readonly [me: SockAddr, them: SockAddr] {
    const [me, them] = this.#native.established(slot)
    return [parseAddress(me), parseAddress(them)]
  }

  onIdle(slot: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    if (!c.handlers[slot]!.idle(c.ids[slot] as ConnectionId)) this.close(slot, 0, 0)
  }

  onError(slot: number, at: number): void {
    const c = this.#connections
    if (c.states[slot] !== State.open) return
    const words = this.#words
    const error: ErrorRecord = {
      errno: words[at + Field.a]!,
      syscall: words[at + Field.b] === 1 ? 'send' : 'recv',
      unread: words[at + Field.length]!,
    }
    // The engine has dropped its queue. What was lent to a broken connection is free, and no queue of others is full by it.
    this.#native.abandon(slot)
    c.setQueued(slot, 0)
    if (error.syscall === 'send' || this.#resetWhilePaused || !this.#holdsError(slot)) {
      return this.#emitError(slot, error)
    }
    // Whether an engine that promises nothing notices it now is a matter of chance: after `resume` then, and the data.
    c.flags[slot]! |= Flag.heldError
    this.#heldErrors.set(slot, error)
  }

  /** Received bytes cannot be delivered: the connection breaks, whether it is paused or not. */
  lose(slot: number, errno: number, unread: number): void {
    this.#emitError(slot, { errno, syscall: 'recv', unread })
  }

  /** A held error that is due; answers how many events it delivered. */
  endErrorHold(slot: number): number {
    const c = this.#connections
    if (c.states[slot] !== State.open) return 0
    if ((c.flags[slot]! & Flag.heldError) === 0 || this.#holdsError(slot)) return 0
    this.#emitError(slot, this.#heldErrors.get(slot)!)
    return 1
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
    this.#sending.forget(slot)
    this.#heldErrors.delete(slot)
    const where = (this.#outbound.target(slot) ?? parseAddress(them)).where
    const error = SockError.fromErrno(errno, syscall, where, { undeliveredBytes, unsentBytes })
    this.broken++
    this.#announcer.error(c.ids[slot] as ConnectionId, error)
    if (c.states[slot] !== State.failed) return // a subscriber has closed it
    if (!c.handlers[slot]!.error(c.ids[slot] as ConnectionId, error)) this.close(slot, 0, 0)
  }

  onClosed(slot: number, at: number): void {
    const c = this.#connections
    const state = c.states[slot]!
    const id = c.ids[slot] as ConnectionId
    const handlers = c.handlers[slot]!
    const errno = this.#words[at + Field.a]!
    const { target, watch } = this.#outbound.remove(slot)
    this.#held.drop(slot)
    this.#heldErrors.delete(slot)
    this.#sending.forget(slot)
    c.remove(slot)
    const unsent = this.#native.free(slot)
    this.#run.letGo()
    this.#backlog.lookAgain()
    if (state === State.unheard) return
    if (state === State.refused) return this.#announcer.closed(id, unsent)
    if (state !== State.connecting && state !== State.aborted) {
      this.#announcer.closed(id, unsent)
      return handlers.closed(id, unsent)
    }
    const error =
      state === State.aborted ? aborted(target!) : SockError.fromErrno(errno, 'connect', target!.where)
    this.connectsFailed++
    this.#announcer.connectFailed(id, error)
    // A subscriber has stopped this SockMan, and nothing but `onClosed` follows that.
    if (this.#run.stopping) return handlers.closed(id, unsent)
    try {
      handlers.connectFailed(id, error)
    } finally {
      watch?.end()
    }
  }
}
