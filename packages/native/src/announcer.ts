import { type ConnectionId, channels, type SockAddr, SockError } from '@sockman/core'
import type { Warnings } from './binding'

/** Publishes on core's diagnostics channels; without a subscriber no message is made. */
export class Announcer {
  readonly #backend: string

  constructor(backend: string) {
    this.#backend = backend
  }

  listening(address: SockAddr): void {
    if (!channels.listener.hasSubscribers) return
    channels.listener.publish({ event: 'listening', backend: this.#backend, address })
  }
  listenerClosed(address: SockAddr): void {
    if (!channels.listener.hasSubscribers) return
    channels.listener.publish({ event: 'closed', backend: this.#backend, address })
  }
  listenError(address: SockAddr, error: SockError): void {
    if (!channels.listener.hasSubscribers) return
    channels.listener.publish({ event: 'error', backend: this.#backend, address, error })
  }

  accepted(id: ConnectionId, me: SockAddr, them: SockAddr): void {
    if (!channels.connection.hasSubscribers) return
    channels.connection.publish({ event: 'accepted', backend: this.#backend, id, me, them })
  }
  connected(id: ConnectionId, me: SockAddr, them: SockAddr): void {
    if (!channels.connection.hasSubscribers) return
    channels.connection.publish({ event: 'connected', backend: this.#backend, id, me, them })
  }
  connectFailed(id: ConnectionId, error: SockError): void {
    if (!channels.connection.hasSubscribers) return
    channels.connection.publish({ event: 'connectFailed', backend: this.#backend, id, error })
  }
  error(id: ConnectionId, error: SockError): void {
    if (!channels.connection.hasSubscribers) return
    channels.connection.publish({ event: 'error', backend: this.#backend, id, error })
  }
  closed(id: ConnectionId, unsentBytes: number): void {
    if (!channels.connection.hasSubscribers) return
    channels.connection.publish({ event: 'closed', backend: this.#backend, id, unsentBytes })
  }

  /** Options that could not be set. */
  warn(warnings: Warnings, address: SockAddr | undefined): void {
    if (warnings.length === 0 || !channels.warning.hasSubscribers) return
    for (let at = 0; at < warnings.length; at += 2) {
      const error = SockError.fromErrno(warnings[at + 1] as number, 'setsockopt', address?.where)
      const message = `${warnings[at]} could not be set`
      channels.warning.publish({ backend: this.#backend, code: 'SOCKOPT', message, error })
    }
  }
}
