import type { SockAddr } from './address'
import { type AsyncScope, asyncScope, isEmptyContext, isSameContext } from './async-scope'
import type { Bytes } from './bytes'
import { invalidArgument, type SockError, unknownOption } from './errors'
import { isObject } from './objects'
import type { ConnectionId, EventName, Listener, SockManEvents } from './sock-man'

const ignore = (): void => {}

const EVENT_NAMES: readonly EventName[] = [
  'onAccepted',
  'onConnected',
  'onConnectFailed',
  'onData',
  'onEof',
  'onError',
  'onReadyToSend',
  'onSent',
  'onIdle',
  'onListenError',
  'onClosed',
  'onBatchEnd',
]

const BY_LOWER_CASE = new Map(EVENT_NAMES.map((name) => [name.toLowerCase(), name]))

/** @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_UNKNOWN_OPTION` */
function readHandlers(name: string, events: unknown): SockManEvents {
  if (!isObject(events)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an object of handlers', events)
  checkNames(name, events)
  const entries = EVENT_NAMES.map((key) => {
    const handler = (events as SockManEvents)[key]
    if (handler === undefined || typeof handler === 'function') return [key, handler]
    throw invalidArgument('ERR_INVALID_ARG_TYPE', `${name}.${key}`, 'a function', handler)
  })
  return Object.fromEntries(entries)
}

/**
 * A misspelt handler would never be called. An object's own keys of the form `onName` are all taken for handlers; what it
 * inherits, such as the methods of a class, only where a handler's name has other capitals.
 *
 * @throws SockError `ERR_UNKNOWN_OPTION`
 */
function checkNames(name: string, events: object): void {
  for (const key of Object.keys(events)) {
    if (/^on[A-Z]/.test(key) && !EVENT_NAMES.includes(key as EventName))
      throw unknownOption(`${name}.${key}`, EVENT_NAMES)
  }
  for (let at: object | null = events; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const key of Object.getOwnPropertyNames(at)) {
      const meant = BY_LOWER_CASE.get(key.toLowerCase())
      if (meant !== undefined && meant !== key) throw unknownOption(`${name}.${key}`, [meant])
    }
  }
}

/** Checks that handlers are functions, and are spelt right. @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_UNKNOWN_OPTION` */
export function checkEvents(name: string, events: unknown): asserts events is SockManEvents {
  readHandlers(name, events)
}

/** For backends: the handlers of a connection, or of a listener and all that it accepts. */
export type ConnectionHandlers = Omit<ReadHandlers, 'batchEnd'>

/** The handlers of an events object, read once, each called with `this` = that object. */
export class ReadHandlers {
  readonly #owner: SockManEvents
  readonly #onData: NonNullable<SockManEvents['onData']>
  readonly #onReadyToSend: NonNullable<SockManEvents['onReadyToSend']>
  readonly #onBatchEnd: SockManEvents['onBatchEnd']
  readonly #others: SockManEvents

  /** @param name of the argument. @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_UNKNOWN_OPTION` */
  constructor(owner: SockManEvents, name = 'events') {
    const { onData = ignore, onReadyToSend = ignore, onBatchEnd, ...others } = readHandlers(name, owner)
    this.#owner = owner
    this.#onData = onData
    this.#onReadyToSend = onReadyToSend
    this.#onBatchEnd = onBatchEnd
    this.#others = others
  }

  data(id: ConnectionId, data: Bytes): void {
    this.#onData.call(this.#owner, id, data)
  }
  readyToSend(id: ConnectionId): void {
    this.#onReadyToSend.call(this.#owner, id)
  }
  batchEnd(): void {
    this.#onBatchEnd?.call(this.#owner)
  }
  /** False when the owner refuses. */
  accepted(id: ConnectionId, me: SockAddr, them: SockAddr, listener: Listener): boolean {
    return this.#others.onAccepted?.call(this.#owner, id, me, them, listener) !== false
  }
  connected(id: ConnectionId, me: SockAddr, them: SockAddr): void {
    this.#others.onConnected?.call(this.#owner, id, me, them)
  }
  connectFailed(id: ConnectionId, error: SockError): void {
    this.#others.onConnectFailed?.call(this.#owner, id, error)
  }
  closed(id: ConnectionId, unsentBytes: number): void {
    this.#others.onClosed?.call(this.#owner, id, unsentBytes)
  }
  sent(id: ConnectionId, bytes: number): void {
    this.#others.onSent?.call(this.#owner, id, bytes)
  }
  listenError(listener: Listener, error: SockError): void {
    this.#others.onListenError?.call(this.#owner, listener, error)
  }
  /** False when there is no handler: the connection is SockMan's to close (C63). */
  eof(id: ConnectionId): boolean {
    this.#others.onEof?.call(this.#owner, id)
    return this.#others.onEof !== undefined
  }
  /** As {@link eof}. */
  idle(id: ConnectionId): boolean {
    this.#others.onIdle?.call(this.#owner, id)
    return this.#others.onIdle !== undefined
  }
  /** As {@link eof}. */
  error(id: ConnectionId, error: SockError): boolean {
    this.#others.onError?.call(this.#owner, id, error)
    return this.#others.onError !== undefined
  }
}

/** Handlers of what began in another context than the SockMan: each call enters that context. */
class ScopedHandlers implements ConnectionHandlers {
  readonly #inner: ReadHandlers
  readonly #scope: AsyncScope

  constructor(inner: ReadHandlers, scope: AsyncScope) {
    this.#inner = inner
    this.#scope = scope
  }

  data(id: ConnectionId, data: Bytes): void {
    this.#scope.runInAsyncScope(this.#inner.data, this.#inner, id, data)
  }
  readyToSend(id: ConnectionId): void {
    this.#scope.runInAsyncScope(this.#inner.readyToSend, this.#inner, id)
  }
  accepted(id: ConnectionId, me: SockAddr, them: SockAddr, listener: Listener): boolean {
    return this.#scope.runInAsyncScope(this.#inner.accepted, this.#inner, id, me, them, listener)
  }
  connected(id: ConnectionId, me: SockAddr, them: SockAddr): void {
    this.#scope.runInAsyncScope(this.#inner.connected, this.#inner, id, me, them)
  }
  connectFailed(id: ConnectionId, error: SockError): void {
    this.#scope.runInAsyncScope(this.#inner.connectFailed, this.#inner, id, error)
  }
  closed(id: ConnectionId, unsentBytes: number): void {
    this.#scope.runInAsyncScope(this.#inner.closed, this.#inner, id, unsentBytes)
  }
  sent(id: ConnectionId, bytes: number): void {
    this.#scope.runInAsyncScope(this.#inner.sent, this.#inner, id, bytes)
  }
  listenError(listener: Listener, error: SockError): void {
    this.#scope.runInAsyncScope(this.#inner.listenError, this.#inner, listener, error)
  }
  eof(id: ConnectionId): boolean {
    return this.#scope.runInAsyncScope(this.#inner.eof, this.#inner, id)
  }
  idle(id: ConnectionId): boolean {
    return this.#scope.runInAsyncScope(this.#inner.idle, this.#inner, id)
  }
  error(id: ConnectionId, error: SockError): boolean {
    return this.#scope.runInAsyncScope(this.#inner.error, this.#inner, id, error)
  }
}

/** For backends: the handlers of a SockMan, made by its constructor, in whose async context they belong (C83). */
export class Handlers extends ReadHandlers {
  readonly #home = asyncScope()
  /** What a batch has to enter. */
  readonly #entered = this.#home && !isEmptyContext(this.#home) ? this.#home : undefined

  /** `handlers` where a call has brought some, else these, in the context of this moment. */
  or(handlers: ReadHandlers = this): ConnectionHandlers {
    const scope = asyncScope()
    return scope && !isSameContext(scope, this.#home) ? new ScopedHandlers(handlers, scope) : handlers
  }

  /**
   * Runs one batch at home, where handlers without a scope of their own belong: a runtime may call native code's callbacks
   * in another context (docs/native.md, N70).
   */
  runBatch<Batch, Most, Result>(run: (this: Batch, most: Most) => Result, batch: Batch, most: Most): Result {
    return this.#entered ? this.#entered.runInAsyncScope(run, batch, most) : run.call(batch, most)
  }
}
