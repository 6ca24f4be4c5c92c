import type { AddressInput, SockAddr } from './address'
import type { Bytes, Sendable } from './bytes'
import type { Capabilities, Drive } from './capabilities'
import type { SockError } from './errors'
import type { ConnectionOptions, ConnectOptions, ListenOptions, LiveOptions } from './options'

declare const brand: unique symbol

/** Names a connection: a positive safe integer, opaque, never reused, one space for inbound and outbound (C13). */
export type ConnectionId = number & { readonly [brand]: 'ConnectionId' }

/** A listening socket of a {@link SockMan}. */
export interface Listener {
  /** Positive, never reused within its SockMan. */
  readonly id: number
  /** The address it really has: port 0 is answered with the port the kernel chose (C1). */
  readonly address: SockAddr
  /** Stops listening; accepted connections live on. A Unix path is removed (C7). Again: harmless. */
  close(): void
}

/** Something that owns a descriptor and can give it away, such as a `Sock`. */
export interface Releasable {
  /** Gives the descriptor to the caller, who owns it from then on. Non-negative. */
  release(): number
}

/**
 * Many sockets behind one interface; the engine below is the backend's.
 *
 * All calls are for the owner's JavaScript thread and allowed inside every callback; none blocks. The first
 * `listen`, `connect` or `adopt` starts the engine. The life of an id:
 *
 * ```
 * outbound = connectFailed | (connected body closed) ;   a close() before connected: closed only
 * inbound  = accepted body closed ;                      refused in onAccepted: nothing more
 * body     = (data | other)* (eof other*)? error? ;
 * other    = readyToSend | sent | idle
 * ```
 *
 * Whatever a call is given, it answers as it says, or with a SockError that names the argument and the value, does nothing
 * then, and leaves nothing open: `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ADDRESS`.
 * An id that is no number is `ERR_INVALID_ARG_TYPE`. What code of the caller's throws meanwhile is passed on (C84).
 *
 * After {@link SockMan.stop}, `listen`, `connect`, `adopt` and `send` throw `ERR_STOPPED`; the rest answer as for an
 * unknown id. The behaviour is numbered in `docs/contract.md`; `C54` here means that line.
 * Shape after SockMan of Bitcoin Core PR 30988.
 */
export interface SockMan extends AsyncDisposable {
  /** What this backend can do; never changes (C75). */
  readonly supports: Readonly<Capabilities>
  /** What really runs, and why; never changes (C75). */
  readonly selection: SelectionReport

  /**
   * Listens at once (C1–C5, C7).
   *
   * @throws SockError `ERR_INVALID_ADDRESS`; `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL` … with syscall and address;
   *   `ERR_FD_NOT_SELECTABLE` (C22); `ERR_STOPPED`; nothing is added then and no descriptor leaks
   */
  listen(address: AddressInput, options?: ListenOptions): Listener

  /**
   * Begins a connection and answers its id at once; exactly one of `onConnected`, `onConnectFailed` or, after `close`,
   * `onClosed` follows, never synchronously (C28–C33).
   *
   * @throws SockError `ERR_INVALID_ADDRESS`; `EMFILE` and what `socket` and `bind` of `localAddress` say;
   *   `ERR_FD_NOT_SELECTABLE` (C22); `ERR_STOPPED`
   */
  connect(address: AddressInput, options?: ConnectOptions): ConnectionId

  /**
   * Takes over the connected stream socket that `sock` gives away, unread bytes included (C79). No `onConnected`:
   * the body of the id's life begins at once.
   *
   * @throws SockError `ERR_STOPPED`; `ENOTSOCK`, `ENOTCONN`, `EINVAL` (not a stream), `ERR_FD_NOT_SELECTABLE` (C22) …:
   *   `sock`'s descriptor is closed then
   */
  adopt(sock: Releasable, options?: ConnectionOptions): ConnectionId

  /** Takes over a listening socket (C79). @throws as `adopt` */
  adoptListener(sock: Releasable, options?: ListenOptions): Listener

  /**
   * Takes all of `data`, text as UTF-8, or throws (C54). The boolean means room, as in `socket.write`: false when more than
   * `sendHighWater` bytes are queued, and then exactly one of `onReadyToSend`, `onError`, `onClosed` follows.
   * What the kernel does not take at once is copied, unless `borrow` (C61). Empty data does nothing (C59).
   * A connection in error takes nothing: false (C57).
   *
   * @throws SockError `ERR_UNKNOWN_CONNECTION`; `ERR_SEND_QUEUE_FULL` (C55); `EPIPE` after `shutdown`; `ERR_STOPPED`;
   *   `ERR_INVALID_ARG_TYPE` for what is no text and no bytes, or is detached
   */
  send(id: ConnectionId, data: Sendable, options?: SendOptions): boolean

  /** No `onData` for `id` from now on until `resume`; memory held for it is bounded by `receiveWindow` (C49, C51). */
  pause(id: ConnectionId): void
  /** Delivers what was held in the next batch, scheduled at once, never synchronously (C50). */
  resume(id: ConnectionId): void

  /** Ends our side once the queue is sent; receiving goes on (C64). */
  shutdown(id: ConnectionId): void

  /**
   * Ends the connection: no further event but `onClosed` (C65, C66). True exactly once per id (C16), false when it is
   * unknown. Closing with unread data makes the kernel send RST (C69).
   */
  close(id: ConnectionId, options?: CloseOptions): boolean

  /**
   * Ends everything: `onClosed` once per live id, then the promise resolves, with every descriptor closed and the
   * thread joined (C9). Twice, or before anything started: harmless. With `flush` each connection is closed as by
   * `close(id, { flush: true, timeout })` first, and listeners at once; another `stop()` ends that early (C88).
   *
   * @throws SockError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  stop(options?: StopOptions): Promise<void>

  /** A listener or a live connection keeps the process alive (the default). */
  ref(): this
  /** The process may end while this SockMan works. */
  unref(): this

  /**
   * From the next event of `id` on these handlers get its events, in the async context of this call (C78, C83); without any,
   * those of the SockMan. False when `id` is unknown.
   *
   * @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_UNKNOWN_OPTION`
   */
  setEvents(id: ConnectionId, events?: SockManEvents): boolean
  /**
   * Changes options of a live connection (C86), those of TCP of one that is connecting as soon as it is connected, where what
   * cannot be set is a warning (C6). False when `id` is unknown. Where one is refused, the others are set.
   *
   * @throws SockError of setsockopt(2); `ERR_UNKNOWN_OPTION`, `ERR_OUT_OF_RANGE` …
   */
  setOptions(id: ConnectionId, options: LiveOptions): boolean

  /** The ids that calls find now, in no order (C87). */
  connections(): ConnectionId[]
  /**
   * Both ends, `me` undefined as long as `id` is connecting (C17).
   *
   * @throws SockError `ERR_UNKNOWN_CONNECTION`
   */
  addresses(id: ConnectionId): { readonly me: SockAddr | undefined; readonly them: SockAddr }
  /** Totals since creation. */
  stats(): Stats
  /** @throws SockError `ERR_UNKNOWN_CONNECTION` */
  connectionStats(id: ConnectionId): ConnectionStats
}

type Handler<Arguments extends unknown[], Answer = void> = ((...given: Arguments) => Answer) | undefined

/**
 * What a SockMan tells its owner: given at creation; `listen`, `connect` and `adopt` may override it for theirs with
 * `{ events }` (C78). Handlers are read once, then called on the owner's JavaScript thread with `this` = the events
 * object, never two at once, at most `batchLimit` per turn (C73). An exception thrown by one surfaces as uncaught and
 * loses no later event (C70). Microtasks run after each batch. The async context (`AsyncLocalStorage`) of a handler is that
 * of the `listen`, `connect` or `adopt` that began the connection, of `onBatchEnd` that of `createSockMan` (C83). What a
 * handler enters with `enterWith` may show in handlers that follow; use `run`.
 */
export interface SockManEvents {
  /**
   * A connection came in. False refuses it: closed, its bytes unread, nothing more for that id (C24). An arrow passes on what
   * its call says, and `send` may say false: `(id) => void man.send(id, 'welcome')` accepts in any case.
   */
  onAccepted?: Handler<[id: ConnectionId, me: SockAddr, them: SockAddr, listener: Listener], boolean | void>
  onConnected?: Handler<[id: ConnectionId, me: SockAddr, them: SockAddr]>
  /** The end of a `connect` that failed: the kernel's code, `ETIMEDOUT`, or `ABORT_ERR` of its signal (C29, C30). */
  onConnectFailed?: Handler<[id: ConnectionId, error: SockError]>
  /**
   * Bytes in order. Lent: valid until the callback returns, so use or copy them before any `await` (C46):
   * `new Uint8Array(data)` is a copy, and `data.slice()` of a Buffer is none. The view lies in memory of many MiB that all
   * connections share: `structuredClone(data)` and `postMessage(data)` copy all of that, so clone a copy.
   */
  onData?: Handler<[id: ConnectionId, data: Bytes]>
  /**
   * The peer sends no more, once, after its last data (C47). Without a handler SockMan closes that connection, with a flush
   * of 5 000 ms (C63).
   */
  onEof?: Handler<[id: ConnectionId]>
  /** The connection broke, once; only `onClosed` may follow. Without a handler SockMan closes that connection (C48, C57, C63). */
  onError?: Handler<[id: ConnectionId, error: SockError]>
  /**
   * The kernel has what `send` was told to `notify` of, and all before: `bytes` of this connection by now, as in
   * `connectionStats`. One event may answer several calls; none comes after `onError` or `close` (C89).
   */
  onSent?: Handler<[id: ConnectionId, bytes: number]>
  /**
   * No byte has come or gone for `idleTimeout` ms; again after each further such time. Without a handler SockMan closes that
   * connection (C91).
   */
  onIdle?: Handler<[id: ConnectionId]>
  /** The queue is empty after `send` had said false, or a borrowed buffer is free again (C54, C61). */
  onReadyToSend?: Handler<[id: ConnectionId]>
  /**
   * Accepting fails for lack of descriptors or memory and resumes by itself (C21), or what was accepted had to be closed:
   * `ERR_FD_NOT_SELECTABLE` (C22). At most once per second and listener; `stats().acceptErrors` counts them all.
   */
  onListenError?: Handler<[listener: Listener, error: SockError]>
  /**
   * The last event of an id; `unsentBytes` never reached the kernel (C66), or nobody had acknowledged them when a flush ended
   * in a reset (C67): of these the peer may have got some.
   */
  onClosed?: Handler<[id: ConnectionId, unsentBytes: number]>
  /** Once per wake-up, after its last event. Only that of the SockMan itself is called, not of an override. */
  onBatchEnd?: Handler<[]>
}

/** The names of {@link SockManEvents}'s handlers. */
export type EventName = keyof SockManEvents

export interface SendOptions {
  /**
   * Reference `data` instead of copying what the kernel does not take: do not edit it until the next `onReadyToSend` or the
   * id's end. What `onData` lends is copied all the same. Default false.
   */
  borrow?: boolean | undefined
  /** Tell with `onSent` once the kernel has all of `data`. Default false. */
  notify?: boolean | undefined
  /** More follows: the kernel may hold a partial segment back, at most 200 ms (`MSG_MORE`, tcp(7)). Default false. */
  more?: boolean | undefined
}

export interface StopOptions {
  /** Let what is queued reach the peers first. Default false. */
  flush?: boolean | undefined
  /** ms, default 5 000: the bound of `flush` for each connection. */
  timeout?: number | undefined
}

export interface CloseOptions {
  /**
   * A lingering close (RFC 9112, 9.6): send the queue, also that of a connect under way, and our end, then drop what comes
   * until the peer ends, an error, or `timeout` (C67). A close without it resets the connection where something is unread,
   * and the peer may lose what it has not read yet. Until then the id lives and counts; only `stop` ends it sooner. Default
   * false.
   */
  flush?: boolean | undefined
  /** ms, default 5 000: the bound of `flush`, in which the peer has to read all of it, and to end. */
  timeout?: number | undefined
  /**
   * Send RST instead of an orderly end (`SO_LINGER` 0, socket(7)), with `flush` where that is not over in time; has no meaning
   * on a Unix socket (C68). Default false.
   */
  reset?: boolean | undefined
}

/** Why a backend was not chosen. */
export interface Rejection {
  readonly backend: string
  /** As in `Unavailable`, or `ERR_NOT_TRIED`: another comes first, or was asked for. */
  readonly reason: string
  /** One sentence. */
  readonly message: string
  /** What the user can do, in words; absent when nothing is wrong with it. */
  readonly remedy?: string
}

/** What runs, what was tried before it, and why. */
export interface SelectionReport {
  readonly backend: string
  readonly drive: Drive
  /** `name:drive`, with the settings that differ from the defaults: readable by `parseRow`. */
  readonly row: string
  /** Facts of the mechanism: for io_uring the setup flags and features in use. */
  readonly details: Readonly<Record<string, string | number | boolean>>
  /** The other candidates in order, each with why it is not this one; none when this one was taken without choosing. */
  readonly rejected: readonly Rejection[]
}

/** Totals since creation; counts are exact, bytes included. */
export interface Stats {
  /** Live ids, connecting and closing ones included. */
  connections: number
  listeners: number
  accepted: number
  connected: number
  /** Connections that came in and were refused, by `onAccepted` or by a list (C24, C90). */
  refused: number
  /** Connects that failed, and connections that broke (`onError`). */
  connectsFailed: number
  broken: number
  bytesReceived: number
  bytesSent: number
  /** `onData` records, and `send` calls that carried bytes. */
  chunksReceived: number
  sends: number
  /** System calls of the engine and of `send`; those of opening and closing are not counted. */
  syscalls: number
  /** Times the engine woke or was entered to reap. */
  wakeups: number
  /** Events handed to JavaScript, and the batches they came in. */
  events: number
  batches: number
  /** Bytes taken by `send` that the kernel does not have yet. */
  queuedBytes: number
  /** Bytes held in JavaScript for paused connections. */
  heldBytes: number
  /** Times no receive block was free. */
  buffersExhausted: number
  /** Receive memory lent to the kernel now, bytes. */
  receivePool: number
  /** Times the events that wait for JavaScript, or the completions in the kernel, did not fit (C85). */
  overflows: number
  /** Accepts that failed (C20, C21) or were closed because the mechanism cannot watch their descriptor (C22). */
  acceptErrors: number
}

export interface ConnectionStats {
  bytesReceived: number
  bytesSent: number
  queuedBytes: number
  heldBytes: number
  paused: boolean
  /** ms since the Unix epoch, 0 before the first. */
  lastReceive: number
  lastSend: number
}
