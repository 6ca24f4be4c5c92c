import {
  type AddressInput,
  type Capabilities,
  type CloseOptions,
  type ConnectionId,
  type ConnectionOptions,
  type ConnectionStats,
  type ConnectOptions,
  Handlers,
  type Listener,
  type ListenOptions,
  type LiveOptions,
  ReadHandlers,
  type Releasable,
  type ResolvedSockManOptions,
  resolveCloseOptions,
  resolveConnectionOptions,
  resolveConnectOptions,
  resolveListenOptions,
  resolveLiveOptions,
  resolveStopOptions,
  type SelectionReport,
  type Sendable,
  type SendOptions,
  SockAddr,
  type SockMan,
  type SockManEvents,
  type Stats,
  type StopOptions,
  unknownConnection,
} from '@sockman/core'
import { Announcer } from './announcer'
import { Backlog } from './backlog'
import { CloseFlag, type NativeEngine } from './binding'
import { ConnectionLife } from './connection-life'
import { Connections, Flag } from './connections'
import { Delivery } from './delivery'
import { EventRing } from './event-ring'
import { HeldData } from './held'
import { Listeners } from './listeners'
import { Receiving } from './receiving'
import { RunState } from './run-state'
import { Sending } from './sending'
import { Turn } from './turn'
import { addressText, takeWhileRunning, tcpOptions } from './values'

/** What a backend gives its SockMans. */
export interface NativeSetup {
  readonly supports: Readonly<Capabilities>
  /** The report, given the facts of the engine. */
  select(details: NativeEngine['details']): SelectionReport
  readonly options: ResolvedSockManOptions
  /** Makes the engine; `deliver` is called when records wait. */
  open(deliver: (most?: number) => number): NativeEngine
}

/**
 * SockMan over a native engine: the same for all of them. Here are the calls; everything in this folder belongs to the
 * JavaScript thread, and each part owns what it alone changes:
 *
 * ```
 * calls  ─► NativeSockMan ─► RunState         started, stopping, ended; holds the process
 *                            Listeners        listening sockets
 *                            ConnectionLife   ids: connect, adopt, accept … closed
 *                            Sending          cork, room, borrowed buffers
 *                            Receiving        receive memory, paused connections
 * events ─► Delivery ─► the same parts        the ring's records, one batch at a time (Turn)
 * ```
 *
 * `Connections` and `HeldData` are their tables by slot. Below is the native half (`binding.ts`): it shares the event
 * ring, the cork and the receive memory with the engine, whose thread is the drive's affair.
 */
export class NativeSockMan implements SockMan {
  readonly supports: Readonly<Capabilities>
  readonly selection: SelectionReport
  readonly #native: NativeEngine
  readonly #handlers: Handlers
  readonly #connections = new Connections()
  readonly #held = new HeldData()
  readonly #run: RunState
  readonly #backlog: Backlog
  readonly #listeners: Listeners
  readonly #life: ConnectionLife
  readonly #sending: Sending
  readonly #receiving: Receiving
  readonly #delivery: Delivery

  constructor(events: SockManEvents, { supports, options, select, open }: NativeSetup) {
    const handlers = new Handlers(events)
    const native = open((most) => this.#delivery.deliver(most))
    this.supports = supports
    this.selection = select(native.details)
    const connections = this.#connections
    const held = this.#held
    const announcer = new Announcer(this.selection.backend)
    const ring = new EventRing(native.ringMemory)
    const turn = new Turn(native, connections)
    const run = new RunState(native)
    const backlog = new Backlog(native, connections, turn, options.maxConnections)
    const listeners = new Listeners(native, run, announcer, handlers, supports.descriptorLimit, backlog)
    const sending = new Sending(native, connections, turn, run, options)
    const life = new ConnectionLife({
      native,
      ring,
      connections,
      held,
      sending,
      listeners,
      backlog,
      run,
      announcer,
      handlers,
      resetWhilePaused: supports.resetWhilePaused,
    })
    const receiving = new Receiving(native, ring, connections, held, turn, life, options.poison)
    this.#delivery = new Delivery({
      native,
      ring,
      connections,
      turn,
      run,
      listeners,
      life,
      sending,
      receiving,
      handlers,
      batchLimit: options.batchLimit,
    })
    this.#handlers = handlers
    this.#native = native
    this.#run = run
    this.#backlog = backlog
    this.#listeners = listeners
    this.#life = life
    this.#sending = sending
    this.#receiving = receiving
  }

  // ---- Beginning ----

  // Getters of the caller's may stop this SockMan. Each call reads what it was given, then looks whether this SockMan
  // runs, and runs none of the caller's code between that and the native half.

  listen(address: AddressInput, options?: ListenOptions): Listener {
    const to = SockAddr.from(address)
    const resolved = resolveListenOptions(options)
    return this.#listeners.add(resolved, to, () => {
      this.#run.assertRunning()
      const { backlog, reusePort, ipv6Only } = resolved
      return this.#native.listen(addressText(to), tcpOptions(resolved.tcp), backlog, reusePort, ipv6Only)
    })
  }

  adoptListener(sock: Releasable, options?: ListenOptions): Listener {
    const resolved = resolveListenOptions(options)
    return this.#listeners.add(resolved, undefined, () =>
      this.#native.adoptListener(takeWhileRunning(sock, this.#run), tcpOptions(resolved.tcp)),
    )
  }

  connect(address: AddressInput, options?: ConnectOptions): ConnectionId {
    return this.#life.connect(SockAddr.from(address), resolveConnectOptions(options))
  }

  adopt(sock: Releasable, options?: ConnectionOptions): ConnectionId {
    return this.#life.adopt(sock, resolveConnectionOptions(options))
  }

  // ---- Traffic ----

  send(id: ConnectionId, data: Sendable, options?: SendOptions): boolean {
    return this.#sending.send(id, data, options)
  }

  shutdown(id: ConnectionId): void {
    const slot = this.#connections.findOpen(id)
    if (slot >= 0) this.#sending.shutdown(slot)
  }

  pause(id: ConnectionId): void {
    const slot = this.#connections.findOpen(id)
    if (slot >= 0) this.#receiving.pause(slot)
  }

  resume(id: ConnectionId): void {
    const slot = this.#connections.findOpen(id)
    if (slot >= 0) this.#receiving.resume(slot)
  }

  setEvents(id: ConnectionId, events?: SockManEvents): boolean {
    const handlers = this.#handlers.or(events === undefined ? undefined : new ReadHandlers(events))
    const slot = this.#connections.findOpen(id)
    if (slot >= 0) this.#connections.handlers[slot] = handlers
    return slot >= 0
  }

  setOptions(id: ConnectionId, options: LiveOptions): boolean {
    const { tcp, limits } = resolveLiveOptions(options)
    const slot = this.#connections.findOpen(id)
    if (slot >= 0) this.#life.setOptions(slot, tcp, limits)
    return slot >= 0
  }

  // ---- Ending ----

  close(id: ConnectionId, options?: CloseOptions): boolean {
    const { flush, timeout, reset } = resolveCloseOptions(options)
    const slot = this.#connections.findOpen(id)
    if (slot < 0 || this.#run.ended) return false
    this.#life.close(slot, (flush ? CloseFlag.flush : 0) | (reset ? CloseFlag.reset : 0), timeout)
    return true
  }

  stop(options?: StopOptions): Promise<void> {
    const { flush, timeout } = resolveStopOptions(options)
    const closeAll = (): void => {
      this.#sending.flush()
      this.#listeners.closeAll()
      this.#life.closeAll(flush ? CloseFlag.flush : 0, timeout)
    }
    return this.#run.stop(closeAll, flush)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  ref(): this {
    this.#run.ref()
    return this
  }

  unref(): this {
    this.#run.unref()
    return this
  }

  // ---- Observation ----

  connections(): ConnectionId[] {
    return this.#connections.open()
  }

  addresses(id: ConnectionId): { readonly me: SockAddr | undefined; readonly them: SockAddr } {
    const slot = this.#connections.findOpen(id)
    if (slot < 0) throw unknownConnection(id)
    return this.#life.addresses(slot)
  }

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
    return {
      accepted: this.#life.accepted,
      connected: this.#life.connected,
      refused: this.#life.refused,
      connectsFailed: this.#life.connectsFailed,
      broken: this.#life.broken,
      sends: this.#sending.sends,
      events: this.#delivery.events,
      batches: this.#delivery.batches,
      connections: this.#connections.live - this.#backlog.length,
      listeners: this.#listeners.size,
      bytesReceived,
      bytesSent,
      chunksReceived,
      syscalls,
      wakeups,
      queuedBytes: this.#sending.queuedBytes(),
      heldBytes: this.#held.bytes,
      buffersExhausted: exhausted,
      receivePool: pool,
      overflows,
      acceptErrors,
    }
  }

  connectionStats(id: ConnectionId): ConnectionStats {
    const slot = this.#connections.findOpen(id)
    if (slot < 0) throw unknownConnection(id)
    const [bytesReceived, bytesSent, lastReceive, lastSend] = this.#native.connectionStats(slot)
    return {
      bytesReceived,
      bytesSent,
      queuedBytes: this.#sending.queued(slot),
      heldBytes: this.#held.bytesOf(slot),
      paused: (this.#connections.flags[slot]! & Flag.paused) !== 0,
      lastReceive,
      lastSend,
    }
  }
}
