import type { SockAddr } from './address'
import type { SockError } from './errors'
import type { ConnectionId, Listener, SockManEvents } from './sock-man'

const ignore = (): void => {}

/** For backends: the handlers of an events object, read once, each called with `this` = that object. */
export class Handlers {
  readonly #owner: SockManEvents
  readonly #onData: NonNullable<SockManEvents['onData']>
  readonly #onReadyToSend: NonNullable<SockManEvents['onReadyToSend']>
  readonly #onBatchEnd: (() => void) | undefined
  readonly #others: SockManEvents

  constructor(owner: SockManEvents) {
    this.#owner = owner
    this.#onData = owner.onData ?? ignore
    this.#onReadyToSend = owner.onReadyToSend ?? ignore
    this.#onBatchEnd = owner.onBatchEnd
    const { onAccepted, onConnected, onConnectFailed, onEof, onError, onListenError, onClosed } = owner
    this.#others = {
      onAccepted,
      onConnected,
      onConnectFailed,
      onEof,
      onError,
      onListenError,
      onClosed,
    } as SockManEvents
  }

  /** Those of `events` where they override these. */
  or(events: SockManEvents | undefined): Handlers {
    return events ? new Handlers(events) : this
  }

  data(id: ConnectionId, data: Uint8Array): void {
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
  listenError(listener: Listener, error: SockError): void {
    this.#others.onListenError?.call(this.#owner, listener, error)
  }
  /** False when there is no handler: the connection is SockMan's to close (C63). */
  eof(id: ConnectionId): boolean {
    this.#others.onEof?.call(this.#owner, id)
    return this.#others.onEof !== undefined
  }
  /** As {@link eof}. */
  error(id: ConnectionId, error: SockError): boolean {
    this.#others.onError?.call(this.#owner, id, error)
    return this.#others.onError !== undefined
  }
}
