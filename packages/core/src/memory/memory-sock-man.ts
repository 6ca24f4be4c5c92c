import { AbortWatch } from '../abort-watch'
import { type AddressInput, SockAddr } from '../address'
import { bytesOf, plain, type Sendable } from '../bytes'
import type { Capabilities } from '../capabilities'
import { channels } from '../diagnostics'
import { SockError } from '../errors'
import { type ConnectionHandlers, Handlers, ReadHandlers } from '../handlers'
import {
  type ConnectionOptions,
  type ConnectOptions,
  type ListenOptions,
  type LiveOptions,
  type ResolvedLimits,
  type ResolvedListenOptions,
  type ResolvedSockManOptions,
  resolveCloseOptions,
  resolveConnectionOptions,
  resolveConnectOptions,
  resolveListenOptions,
  resolveLiveOptions,
  resolveSendOptions,
  resolveStopOptions,
  SPARE_SEND,
} from '../options'
import { checkId, queueFull, stopped, unknownConnection } from '../refusals'
import { takeDescriptor } from '../releasing'
import type {
  CloseOptions,
  ConnectionId,
  ConnectionStats,
  Listener,
  Releasable,
  SelectionReport,
  SendOptions,
  SockMan,
  SockManEvents,
  Stats,
  StopOptions,
} from '../sock-man'
import { Bucket } from './bucket'
import { Connection, type ConnectionHome, type Rates, State } from './connection'
import type { Endpoint } from './endpoint'
import { CONNECT_TIMEOUT, type Kernel } from './kernel'
import type { Listening } from './listening'
import { ReceiveBuffer } from './receive-buffer'
import type { Target } from './schedule'
import type { Socket } from './socket'
import { throwUncaught, turn } from './turn'
import type { World } from './world'

const EINVAL = -22
const ENOTSOCK = -88
const ENOTCONN = -107

/** What a host gives its SockMans. */
export interface MemorySetup {
  readonly supports: Readonly<Capabilities>
  readonly selection: SelectionReport
  readonly options: ResolvedSockManOptions
}

/** SockMan over the endpoints of one host. */
export class MemorySockMan implements SockMan, ConnectionHome, Target {
  readonly runsProgram = true
  readonly supports: Readonly<Capabilities>
  readonly selection: SelectionReport
  readonly options: ResolvedSockManOptions
  readonly world: World
  readonly buffer: ReceiveBuffer
  readonly rates: Rates
  readonly counts = {
    accepted: 0,
    connected: 0,
    refused: 0,
    connectsFailed: 0,
    broken: 0,
    bytesReceived: 0,
    bytesSent: 0,
    chunksReceived: 0,
    sends: 0,
    syscalls: 0,
    wakeups: 0,
    events: 0,
    batches: 0,
  }
  readonly #kernel: Kernel
  readonly #handlers: Handlers
  readonly #connections = new Map<ConnectionId, Connection>()
  readonly #listeners = new Set<MemoryListener>()
  /** What the next batch looks at, in order. */
  #ready: (Connection | MemoryListener)[] = []
  /** Sends of the callback under way wait in these. */
  readonly #corked: Connection[] = []
  #lastConnection = 0
  #lastListener = 0
  #inBatch = false
  #inCallback = false
  #wakeDue = false
  #stopping: Promise<void> | undefined
  /** While it stops with a flush: ends that. */
  #drained: (() => void) | undefined

  constructor(events: SockManEvents, setup: MemorySetup, kernel: Kernel) {
    this.#handlers = new Handlers(events)
    this.supports = setup.supports
    this.selection = setup.selection
    this.options = setup.options
    this.world = kernel.world
    this.#kernel = kernel
    const { now } = this.world.clock
    this.rates = {
      receive: Bucket.of(setup.options.receiveRateTotal, now),
      send: Bucket.of(setup.options.sendRateTotal, now),
    }
    this.buffer = new ReceiveBuffer(
      Math.min(setup.options.receiveBlock, this.world.receiveBuffer),
      setup.options.poison,
    )
  }

  // ---- Listening ----

  // Getters of the caller's may stop this SockMan. Each call reads what it was given, then looks whether this SockMan
  // runs, and runs none of the caller's code between that and the beginning.

  listen(address: AddressInput, options?: ListenOptions): Listener {
    const to = SockAddr.from(address)
    const resolved = resolveListenOptions(options)
    const handlers = this.#handlers.or(resolved.events)
    this.#assertRunning()
    return this.#addListener(this.#kernel.listen(to, resolved), handlers, resolved)
  }

  adoptListener(sock: Releasable, options?: ListenOptions): Listener {
    const resolved = resolveListenOptions(options)
    const handlers = this.#handlers.or(resolved.events)
    const socket = this.#take(sock)
    const listening = socket.takeListening()
    if (listening) return this.#addListener(listening, handlers, resolved)
    socket.close()
    throw SockError.fromErrno(EINVAL, 'adopt')
  }

  #addListener(listening: Listening, handlers: ConnectionHandlers, options: ResolvedListenOptions): Listener {
    const listener = new MemoryListener(this, ++this.#lastListener, listening, handlers, options)
    this.#listeners.add(listener)
    listener.changed()
    this.#publishListener('listening', listening.address)
    return listener
  }

  /** For the listener itself. */
  closed(listener: MemoryListener): void {
    this.#listeners.delete(listener)
    this.#publishListener('closed', listener.address)
  }

  #publishListener(event: 'listening' | 'closed', address: SockAddr): void {
    if (!channels.listener.hasSubscribers) return
    channels.listener.publish({ event, backend: this.selection.backend, address })
  }

  // ---- Connections ----

  connect(address: AddressInput, options?: ConnectOptions): ConnectionId {
    const to = SockAddr.from(address)
    const { events, timeout, signal, localAddress, limits } = resolveConnectOptions(options)
    const handlers = this.#handlers.or(events)
    const watch = signal && new AbortWatch(signal)
    let endpoint: Endpoint
    try {
      this.#assertRunning()
      endpoint = this.#kernel.connect(to, localAddress)
    } catch (error) {
      watch?.end()
      throw error
    }
    const connection = this.#begin(endpoint, State.connecting, handlers, limits)
    connection.limit(timeout || CONNECT_TIMEOUT)
    connection.watch = watch
    watch?.begin(() => connection.abort())
    return connection.id
  }

  adopt(sock: Releasable, options?: ConnectionOptions): ConnectionId {
    const { events, limits } = resolveConnectionOptions(options)
    const handlers = this.#handlers.or(events)
    const socket = this.#take(sock)
    const endpoint = socket.takeConnected()
    if (!endpoint) {
      socket.close()
      throw SockError.fromErrno(ENOTCONN, 'adopt')
    }
    const connection = this.#begin(endpoint, State.open, handlers, limits)
    connection.changed()
    return connection.id
  }

  #take(sock: Releasable): Socket {
    const socket = this.world.sockets.take(takeDescriptor(sock, () => this.#assertRunning()))
    if (this.#stopping) socket?.close()
    this.#assertRunning()
    if (socket?.kernel === this.#kernel) return socket
    // Of another host, or a descriptor of the process: that is not the network's to close.
    socket?.close()
    throw SockError.fromErrno(ENOTSOCK, 'adopt')
  }

  #begin(
    endpoint: Endpoint,
    state: number,
    handlers: ConnectionHandlers,
    limits: ResolvedLimits | undefined,
  ): Connection {
    const id = ++this.#lastConnection as ConnectionId
    const connection = new Connection(this, id, endpoint, handlers, state)
    if (limits) connection.setLimits(limits)
    this.#connections.set(id, connection)
    return connection
  }

  /** Takes the next connection of a listener's queue; false when it has to wait. */
  accept(listener: MemoryListener): boolean {
    const { maxConnections } = this.options
    if (maxConnections > 0 && this.#connections.size >= maxConnections) return false
    const endpoint = listener.listening.accept()
    if (!endpoint) return false
    this.counts.syscalls++
    if (!this.#isAdmitted(endpoint, listener)) return true
    const connection = this.#begin(endpoint, State.open, listener.handlers, listener.options.limits)
    this.joined(connection, 'accepted')
    const { id } = connection
    // A subscriber has closed it: its owner has not heard of it.
    if (connection.state !== State.open) {
      connection.refused = true
      return true
    }
    let wanted = true
    try {
      wanted = listener.handlers.accepted(id, endpoint.me, endpoint.them, listener)
    } finally {
      if (!wanted) this.counts.refused++
      if (!wanted && connection.state === State.open) {
        connection.state = State.ended
        endpoint.close()
        this.leave(connection, 'closed')
      } else {
        connection.refused = !wanted
        connection.changed()
      }
    }
    return true
  }

  /** What the listener's lists say, which are code of the caller's: where they throw, the peer is not admitted. */
  #isAdmitted(endpoint: Endpoint, listener: MemoryListener): boolean {
    let admitted = false
    try {
      admitted = listener.options.admits(endpoint.them) && !this.#stopping
    } finally {
      if (!admitted) {
        this.counts.refused++
        endpoint.close()
      }
    }
    return admitted
  }

  joined({ id, endpoint }: Connection, event: 'accepted' | 'connected'): void {
    this.counts[event]++
    if (!channels.connection.hasSubscribers) return
    const { me, them } = endpoint
    channels.connection.publish({ event, backend: this.selection.backend, id, me, them })
  }

  failed({ id }: Connection, error: SockError): void {
    this.counts.broken++
    if (!channels.connection.hasSubscribers) return
    channels.connection.publish({ event: 'error', backend: this.selection.backend, id, error })
  }

  leave(connection: Connection, event: 'connectFailed' | 'closed', error?: SockError): void {
    if (event === 'connectFailed') this.counts.connectsFailed++
    this.#remove(connection)
    if (!channels.connection.hasSubscribers) return
    const { id, unsentBytes } = connection
    const more = error ? { error } : { unsentBytes }
    channels.connection.publish({ event, backend: this.selection.backend, id, ...more })
  }

  #remove(connection: Connection): void {
    this.#connections.delete(connection.id)
    if (this.#connections.size === 0) this.#drained?.()
    // There is room for one that waits.
    if (this.options.maxConnections > 0) for (const listener of this.#listeners) listener.changed()
  }

  // ---- Calls on a connection ----

  send(id: ConnectionId, given: Sendable, options?: SendOptions): boolean {
    // A getter of the caller's may close the id or take the data's memory away, so it runs first.
    const { borrow, more, notify } = resolveSendOptions(options)
    const data = plain(bytesOf('data', given))
    this.#assertRunning()
    checkId(id)
    const connection = this.#connections.get(id)
    if (!connection || connection.state >= State.closing) throw unknownConnection(id)
    if (connection.state === State.failed) return false
    if (connection.isShutdown) throw SockError.fromErrno(-32, 'send')
    if (data.length === 0) {
      if (notify) connection.notify()
      return true
    }
    this.#assertRoom(connection, data.length)
    return connection.send(data, borrow, more, notify)
  }

  #assertRoom(connection: Connection, length: number): void {
    const { sendQueueMax, sendTotalMax } = this.options
    if (connection.queuedBytes + length <= Math.min(sendQueueMax, SPARE_SEND)) return
    connection.flush()
    const { queuedBytes } = connection
    if (queuedBytes + length > sendQueueMax)
      throw queueFull(length, queuedBytes, 'sendQueueMax', sendQueueMax)
    if (queuedBytes + length <= SPARE_SEND) return
    const inAll = this.#queuedInAll()
    if (inAll + length > sendTotalMax) throw queueFull(length, inAll, 'sendTotalMax', sendTotalMax)
  }

  #queuedInAll(): number {
    let bytes = 0
    for (const connection of this.#connections.values()) bytes += connection.waitingBytes
    return bytes
  }

  pause(id: ConnectionId): void {
    this.#find(id)?.pause()
  }

  resume(id: ConnectionId): void {
    this.#find(id)?.resume()
  }

  shutdown(id: ConnectionId): void {
    this.#find(id)?.shutdown()
  }

  close(id: ConnectionId, options?: CloseOptions): boolean {
    const resolved = resolveCloseOptions(options)
    const connection = this.#find(id)
    connection?.close(resolved)
    return connection !== undefined
  }

  setEvents(id: ConnectionId, events?: SockManEvents): boolean {
    const handlers = this.#handlers.or(events === undefined ? undefined : new ReadHandlers(events))
    const connection = this.#find(id)
    if (connection) connection.handlers = handlers
    return connection !== undefined
  }

  /** The network in memory has nothing that the TCP options would change. */
  setOptions(id: ConnectionId, options: LiveOptions): boolean {
    const { limits } = resolveLiveOptions(options)
    const connection = this.#find(id)
    if (limits) connection?.setLimits(limits)
    return connection !== undefined
  }

  /** The connection of an id that its owner may still use. */
  #find(id: ConnectionId): Connection | undefined {
    checkId(id)
    const connection = this.#connections.get(id)
    return connection && connection.state < State.closing ? connection : undefined
  }

  // ---- Batches ----

  enlist(it: Connection | MemoryListener): void {
    if (it.listed) return
    it.listed = true
    this.#ready.push(it)
    if (!this.#inBatch) this.#wake()
  }

  #wake(): void {
    if (this.#wakeDue) return
    this.#wakeDue = true
    this.world.clock.post(this.world.clock.now, this, 0, 0)
  }

  happen(): boolean {
    this.#wakeDue = false
    this.counts.wakeups++
    return this.#handlers.runBatch(this.#batch, this, this.options.batchLimit)
  }

  cork(connection: Connection): boolean {
    if (!this.#inCallback) return false
    if (!connection.corked) this.#corked.push(connection)
    connection.corked = true
    return true
  }

  /** One batch; whether it delivered anything. */
  #batch(most: number): boolean {
    const ready = this.#ready
    let events = 0
    let at = 0
    this.#inBatch = true
    for (; at < ready.length && events < most; at++) {
      const it = ready[at]!
      it.listed = false
      // One event for each in turn: what has more to tell comes again behind the others.
      if (!this.#visit(it)) continue
      events++
      it.changed()
    }
    this.#ready = ready.slice(at)
    if (events > 0) {
      this.counts.events += events
      this.counts.batches++
      if (!this.#stopping) this.#endBatch()
    }
    this.#inBatch = false
    if (this.#ready.length > 0 && (!this.#stopping || this.#drained)) this.#wake()
    return events > 0
  }

  /** An exception of a handler surfaces as uncaught and loses nothing (C70). */
  #visit(it: Connection | MemoryListener): boolean {
    // After stop() there is only the end of each.
    if (this.#stopping && !(it instanceof Connection && it.state === State.closing)) return false
    this.#inCallback = true
    try {
      return it.visit()
    } catch (error) {
      throwUncaught(error)
      return true
    } finally {
      this.#endCallback()
    }
  }

  #endBatch(): void {
    this.#inCallback = true
    try {
      this.#handlers.batchEnd()
    } catch (error) {
      throwUncaught(error)
    }
    this.#endCallback()
  }

  /** What a callback sent leaves at its end (C60). */
  #endCallback(): void {
    this.#inCallback = false
    for (let connection = this.#corked.pop(); connection; connection = this.#corked.pop()) {
      connection.corked = false
      if (!connection.flush()) this.enlist(connection)
    }
  }

  // ---- Ending ----

  stop(options?: StopOptions): Promise<void> {
    const { flush, timeout } = resolveStopOptions(options)
    if (this.#stopping) {
      if (!flush) this.#drained?.()
      return this.#stopping
    }
    // First, for what closing runs of the caller's may call `stop` again.
    let begin!: () => void
    this.#stopping = new Promise((resolve) => {
      begin = () => resolve(flush ? this.#drain(timeout).then(() => this.#stop()) : this.#stop())
    })
    begin()
    return this.#stopping
  }

  /** Until all connections are gone, or another `stop`. */
  #drain(timeout: number): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.#drained = () => {
        this.#drained = undefined
        resolve()
      }
    })
    for (const listener of this.#listeners) listener.close()
    for (const connection of this.#connections.values()) {
      if (connection.state !== State.closing) connection.close({ flush: true, timeout, reset: false })
    }
    if (this.#connections.size === 0) this.#drained?.()
    return drained
  }

  /** Needs no clock: nothing of it happens on the network. */
  async #stop(): Promise<void> {
    for (const listener of this.#listeners) listener.close()
    for (const connection of this.#connections.values()) {
      if (connection.state === State.closing) connection.happen()
      else connection.close({ flush: false, timeout: 0, reset: false })
    }
    while (this.#connections.size > 0) {
      await turn()
      this.#handlers.runBatch(this.#batch, this, this.options.batchLimit)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  // ---- Observation ----

  connections(): ConnectionId[] {
    return [...this.#connections.values()].filter(({ state }) => state < State.closing).map(({ id }) => id)
  }

  addresses(id: ConnectionId): { readonly me: SockAddr | undefined; readonly them: SockAddr } {
    const connection = this.#find(id)
    if (!connection) throw unknownConnection(id)
    const { me, them } = connection.endpoint
    return { me: connection.state === State.connecting ? undefined : me, them }
  }

  stats(): Stats {
    const queuedBytes = this.#queuedInAll()
    return {
      ...this.counts,
      connections: this.#connections.size,
      listeners: this.#listeners.size,
      queuedBytes,
      heldBytes: 0,
      buffersExhausted: 0,
      receivePool: this.buffer.size,
      overflows: 0,
      acceptErrors: 0,
    }
  }

  connectionStats(id: ConnectionId): ConnectionStats {
    const connection = this.#find(id)
    if (!connection) throw unknownConnection(id)
    return connection.stats()
  }

  #assertRunning(): void {
    if (this.#stopping) throw stopped()
  }
}

/** A listening socket and whose it is. */
class MemoryListener implements Listener {
  readonly id: number
  readonly listening: Listening
  readonly handlers: ConnectionHandlers
  readonly options: ResolvedListenOptions
  listed = false
  readonly #man: MemorySockMan

  constructor(
    man: MemorySockMan,
    id: number,
    listening: Listening,
    handlers: ConnectionHandlers,
    options: ResolvedListenOptions,
  ) {
    this.options = options
    this.#man = man
    this.id = id
    this.listening = listening
    this.handlers = handlers
    listening.owner = this
  }

  get address(): SockAddr {
    return this.listening.address
  }

  changed(): void {
    if (this.listening.waiting > 0) this.#man.enlist(this)
  }

  visit(): boolean {
    return this.#man.accept(this)
  }

  close(): void {
    if (this.listening.closed) return
    this.listening.close()
    this.#man.closed(this)
  }
}
