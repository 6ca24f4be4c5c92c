import type { SockAddr } from './address'
import type { SockError } from './errors'
import type { ConnectionId, SelectionReport } from './sock-man'

/** Payload of `sockman:connection`. */
export interface ConnectionMessage {
  event: 'accepted' | 'connected' | 'connectFailed' | 'error' | 'closed'
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
  subscribe(subscriber: (message: T) => void): void
}

const silent: Channel<never> = { hasSubscribers: false, publish() {}, subscribe() {} }

/** The parts of Node that are asked for. */
interface Builtins {
  'node:diagnostics_channel': { channel(name: string): Channel<never> }
  'node:util': { debuglog(section: string): Log }
}
type Log = ((text: string) => void) & { readonly enabled: boolean }
interface Host {
  process?: { getBuiltinModule?: <K extends keyof Builtins>(id: K) => Builtins[K] | undefined }
}

/** `process.getBuiltinModule` instead of an import, so that core bundles for a browser. */
function builtin<K extends keyof Builtins>(id: K): Builtins[K] | undefined {
  return (globalThis as Host).process?.getBuiltinModule?.(id)
}

function channel<T>(name: string): Channel<T> {
  return (builtin('node:diagnostics_channel')?.channel(name) ?? silent) as Channel<T>
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

const TRACED = Symbol.for('sockman.traced')

/** With `NODE_DEBUG=sockman` a line on stderr for each message, once, however many copies of this package there are. */
function trace(): void {
  const log = builtin('node:util')?.debuglog('sockman')
  const host = globalThis as { [TRACED]?: true }
  if (!log?.enabled || host[TRACED]) return
  host[TRACED] = true
  const failure = (error?: SockError): string => (error ? `: ${error.message}` : '')
  channels.selection.subscribe(({ row }) => log(`created ${row}`))
  channels.listener.subscribe(({ event, backend, address, error }) =>
    log(`${backend} ${event} ${address}${failure(error)}`),
  )
  channels.connection.subscribe(({ event, backend, id, me, them, error, unsentBytes }) => {
    const ends = them ? ` ${me} - ${them}` : ''
    const unsent = unsentBytes === undefined ? '' : `, ${unsentBytes} bytes unsent`
    log(`${backend} #${id} ${event}${ends}${failure(error)}${unsent}`)
  })
  channels.warning.subscribe(({ backend, message, error }) =>
    log(`${backend} warning: ${message}${failure(error)}`),
  )
}

trace()
