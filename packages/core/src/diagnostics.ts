import type { SockAddr } from './address'
import type { SockError } from './errors'
import type { ConnectionId, SelectionReport } from './sock-man'

/** Payload of `sockman:connection`. */
export interface ConnectionMessage {
  event: 'accepted' | 'connected' | 'connectFailed' | 'closed'
  backend: string
  id: ConnectionId
  me?: SockAddr
  them?: SockAddr
  error?: SockError
  unsentBytes?: number
}

/** Payload of `sockman:listener`. */
export interface ListenerMessage {
  event: 'listening' | 'closed' | 'error'
  backend: string
  address: SockAddr
  error?: SockError
}

/** Payload of `sockman:warning`: something was not done, and the socket works all the same. */
export interface WarningMessage {
  backend: string
  /** `'SOCKOPT'`: a socket option could not be set (C6). */
  code: string
  message: string
  error?: SockError
}

/** Payload of `sockman:selection`. */
export type SelectionMessage = SelectionReport

interface Channel<T> {
  readonly hasSubscribers: boolean
  publish(message: T): void
}

const silent: Channel<unknown> = { hasSubscribers: false, publish() {} }

/** `process.getBuiltinModule` instead of an import, so that core bundles for a browser. */
function channel<T>(name: string): Channel<T> {
  type Host = {
    process?: { getBuiltinModule?: (id: string) => { channel(name: string): Channel<T> } | undefined }
  }
  const builtin = (globalThis as Host).process?.getBuiltinModule?.('node:diagnostics_channel')
  return builtin?.channel(name) ?? (silent as Channel<T>)
}

/**
 * The channels of `node:diagnostics_channel` this project publishes on; silent outside Node.
 * Publish only under `hasSubscribers`, so that nobody pays for a message no one reads.
 */
export const channels = {
  connection: channel<ConnectionMessage>('sockman:connection'),
  listener: channel<ListenerMessage>('sockman:listener'),
  warning: channel<WarningMessage>('sockman:warning'),
  selection: channel<SelectionMessage>('sockman:selection'),
} as const
