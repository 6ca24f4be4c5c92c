import { type AddressInput, SockAddr } from './address'
import type { Drive } from './capabilities'
import { invalidArgument, unknownOption } from './errors'
import { ReadHandlers } from './handlers'
import { isObject, isSignal } from './objects'
import type { CloseOptions, Rejection, SendOptions, SockManEvents, StopOptions } from './sock-man'

/** Of a SockMan. */
export interface SockManOptions {
  /** Default: the first of `supports.drives`. */
  drive?: Drive | undefined
  /** Size of a receive block, bytes, 4 Ki to 16 Mi, default 256 Ki. */
  receiveBlock?: number | undefined
  /** Memory lent to the kernel for receiving, bytes, default 4 Mi; a small pool stays in the cache. */
  receivePool?: number | undefined
  /** The pool grows on exhaustion up to this, bytes, default 64 Mi, at most 1 Gi. */
  receivePoolMax?: number | undefined
  /** Most undelivered bytes held for one connection (paused or behind), bytes, default 1 Mi. */
  receiveWindow?: number | undefined
  /** `send` says false above this many queued bytes, default 1 Mi. */
  sendHighWater?: number | undefined
  /** `send` throws `ERR_SEND_QUEUE_FULL` beyond this many queued bytes, default 64 Mi. */
  sendQueueMax?: number | undefined
  /**
   * The same over all connections, default 1 Gi, or `sendQueueMax` where that is more; beyond it a connection may still
   * have 64 Ki queued, so that a peer that reads is served beside those that do not, as tcp(7) says of `tcp_wmem`.
   */
  sendTotalMax?: number | undefined
  /** Sends up to this size are corked (copied) inside callbacks, bytes, default 16 Ki. */
  copyThreshold?: number | undefined
  /** Most events per turn of JavaScript, default 1 024. */
  batchLimit?: number | undefined
  /**
   * Live ids at which accepting stops, for all listeners together; 0, the default, is none. What was connected or adopted
   * counts, and is never refused (C26).
   */
  maxConnections?: number | undefined
  /**
   * Bytes per second that all connections together may receive, and send, 1 or more; 0, the default, is no limit. Connections
   * that wait have their turns one after the other (C92).
   */
  receiveRateTotal?: number | undefined
  sendRateTotal?: number | undefined
  /** Overwrite each `onData` view after its callback, so that misuse shows in tests (C46). Default false. */
  poison?: boolean | undefined
}

/** Of a TCP connection; they mean nothing on a Unix socket. What is undefined is left as it is. */
export interface TcpOptions {
  /** `TCP_NODELAY`, true for a new connection. */
  noDelay?: boolean | undefined
  /**
   * ms of idleness before TCP keep-alive probes, 1 000 to 32 767 000; 0, the default, is off. The kernel has whole seconds, a
   * part of one counts as one. A peer that has gone without a word is `ETIMEDOUT` after
   * `keepAlive + keepAliveInterval * keepAliveCount` (tcp(7)).
   */
  keepAlive?: number | undefined
  /** ms between probes, 1 000 to 32 767 000; a new connection with `keepAlive` has 1 000, as in `node:net`: Linux takes 75 000. */
  keepAliveInterval?: number | undefined
  /** Probes without an answer that end the connection, 1 to 127; a new connection with `keepAlive` has 10. */
  keepAliveCount?: number | undefined
  /**
   * ms that what was sent may wait for the peer to acknowledge it, or to have room for more, before `onError` says
   * `ETIMEDOUT` (`TCP_USER_TIMEOUT`, RFC 5482); 0, the default, is the kernel's own, some 15 minutes. A connect without an
   * answer ends by this too. Where there are keep-alive probes, this replaces their count (tcp(7)).
   */
  userTimeout?: number | undefined
}

/** What SockMan itself holds a connection to. What is undefined is left as it is; 0, the default, is no limit. */
export interface LimitOptions {
  /** ms without a byte in either direction, after which `onIdle` is told (C91). */
  idleTimeout?: number | undefined
  /**
   * Bytes per second. In any time `t` no more than `receiveRate * (t + 0.1 s)` bytes are taken from the kernel: what the peer
   * sends beyond that waits in the kernel's buffers, and then with the peer. Bytes that a flush drops do not count (C92).
   */
  receiveRate?: number | undefined
  /**
   * Bytes per second that are given to the kernel, as `receiveRate`: what is beyond waits in the queue of `send`, where what
   * was lent (`borrow`) is copied. What is on its way to the kernel when a rate is set goes by the rate of before (C92).
   */
  sendRate?: number | undefined
}

/** What can be changed while a connection lives. */
export interface LiveOptions extends TcpOptions, LimitOptions {}

/** Of every connection. */
export interface ConnectionOptions extends LiveOptions {
  /** Handlers for this connection (or this listener's) alone (C78). */
  events?: SockManEvents | undefined
}

/** A set of IP addresses, such as a `net.BlockList`. An IPv4 address that came in by IPv6 (`::ffff:…`) is asked for as IPv4. */
export interface AddressList {
  check(address: string, family: 'ipv4' | 'ipv6'): boolean
}

export interface ListenOptions extends ConnectionOptions {
  /** Length of the kernel's queue, default 511. */
  backlog?: number | undefined
  /** `SO_REUSEPORT`, default false. */
  reusePort?: boolean | undefined
  /** Who may connect: others are closed before a byte is read, and nobody is told (C90). Unix peers are not asked about. */
  allowList?: AddressList | undefined
  /** Who may not, also of those that are allowed. */
  blockList?: AddressList | undefined
  /** Whether an IPv6 listener leaves the IPv4 port alone (`IPV6_V6ONLY`, RFC 3493), default true (C5). */
  ipv6Only?: boolean | undefined
}

export interface ConnectOptions extends ConnectionOptions {
  /** ms, default 5 000; 0: the kernel's own. */
  timeout?: number | undefined
  /** Aborting it ends a pending connect with `ABORT_ERR`; from then on no call finds the id. */
  signal?: AbortSignal | undefined
  /** Address to bind first (C33). */
  localAddress?: AddressInput | undefined
}

/** With every option there. */
type Filled<T> = { [K in keyof T]-?: Exclude<T[K], undefined> }

type Numbers<T> = { [K in keyof T as T[K] extends number ? K : never]: T[K] }

/** {@link SockManOptions} with every default filled in; `drive` is checked by the backend. */
export type ResolvedSockManOptions = Filled<Omit<SockManOptions, 'drive'>>

const KI = 1024
const MI = 1024 * KI

/** Bytes that a connection may have queued beside more than `sendTotalMax`. */
export const SPARE_SEND = 64 * KI

interface Range {
  readonly byDefault: number
  readonly min: number
  readonly max: number
}

const RANGES: Readonly<Record<keyof Numbers<ResolvedSockManOptions>, Range>> = {
  receiveBlock: { byDefault: 256 * KI, min: 4 * KI, max: 16 * MI },
  receivePool: { byDefault: 4 * MI, min: 8 * KI, max: 1024 * MI },
  receivePoolMax: { byDefault: 64 * MI, min: 8 * KI, max: 1024 * MI },
  receiveWindow: { byDefault: MI, min: 4 * KI, max: 1024 * MI },
  sendHighWater: { byDefault: MI, min: 0, max: Number.MAX_SAFE_INTEGER },
  sendQueueMax: { byDefault: 64 * MI, min: 1, max: Number.MAX_SAFE_INTEGER },
  sendTotalMax: { byDefault: 1024 * MI, min: 1, max: Number.MAX_SAFE_INTEGER },
  copyThreshold: { byDefault: 16 * KI, min: 0, max: 256 * KI },
  batchLimit: { byDefault: 1024, min: 1, max: 1 << 20 },
  maxConnections: { byDefault: 0, min: 0, max: 1 << 20 },
  receiveRateTotal: { byDefault: 0, min: 0, max: Number.MAX_SAFE_INTEGER },
  sendRateTotal: { byDefault: 0, min: 0, max: Number.MAX_SAFE_INTEGER },
}

/**
 * Checks the options of a SockMan and fills in the defaults.
 *
 * @throws SockError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, naming option and value
 */
export function resolveSockManOptions(options: SockManOptions = {}): ResolvedSockManOptions {
  checkKeys('options', options, [...Object.keys(RANGES), 'poison', 'drive'])
  const resolved = { poison: boolean('options.poison', options.poison, false) } as ResolvedSockManOptions
  for (const [key, range] of Object.entries(RANGES) as [keyof typeof RANGES, Range][]) {
    resolved[key] = integer(`options.${key}`, options[key], range)
  }
  if (options.receivePoolMax === undefined)
    resolved.receivePoolMax = Math.max(resolved.receivePoolMax, resolved.receivePool)
  if (options.sendTotalMax === undefined)
    resolved.sendTotalMax = Math.max(resolved.sendTotalMax, resolved.sendQueueMax)
  if (resolved.receivePoolMax < resolved.receivePool) {
    throw invalidArgument(
      'ERR_OUT_OF_RANGE',
      'options.receivePoolMax',
      `at least receivePool (${resolved.receivePool})`,
      resolved.receivePoolMax,
    )
  }
  if (resolved.receivePool < 2 * resolved.receiveBlock) {
    throw invalidArgument(
      'ERR_OUT_OF_RANGE',
      'options.receivePool',
      `at least two blocks of receiveBlock (${resolved.receiveBlock})`,
      resolved.receivePool,
    )
  }
  return resolved
}

/** Times in ms; undefined for what the socket has. */
export type ResolvedTcpOptions = { [K in keyof TcpOptions]-?: TcpOptions[K] }

/** Those that were given: ms, bytes per second. */
export type ResolvedLimits = { [K in keyof LimitOptions]?: number }

export interface ResolvedLiveOptions {
  tcp: ResolvedTcpOptions
  /** Undefined where none was given. */
  limits: ResolvedLimits | undefined
}

export interface ResolvedConnectionOptions extends ResolvedLiveOptions {
  events: ReadHandlers | undefined
}

export interface ResolvedListenOptions extends ResolvedConnectionOptions {
  backlog: number
  reusePort: boolean
  ipv6Only: boolean
  admits: (address: SockAddr) => boolean
}

export interface ResolvedConnectOptions extends ResolvedConnectionOptions {
  timeout: number
  signal: AbortSignal | undefined
  localAddress: SockAddr | undefined
}

const TCP_KEYS = ['noDelay', 'keepAlive', 'keepAliveInterval', 'keepAliveCount', 'userTimeout']
const LIMITS: Readonly<Record<keyof LimitOptions, Range>> = {
  idleTimeout: { byDefault: 0, min: 0, max: 2 ** 31 - 1 },
  receiveRate: { byDefault: 0, min: 0, max: Number.MAX_SAFE_INTEGER },
  sendRate: { byDefault: 0, min: 0, max: Number.MAX_SAFE_INTEGER },
}
const LIVE_KEYS = [...TCP_KEYS, ...Object.keys(LIMITS)]
const CONNECTION_KEYS = ['events', ...LIVE_KEYS]

/** @throws SockError as {@link resolveSockManOptions} */
export function resolveConnectionOptions(options: ConnectionOptions = {}): ResolvedConnectionOptions {
  checkKeys('options', options, CONNECTION_KEYS)
  return connectionPart(options)
}

/** @throws SockError as {@link resolveSockManOptions} */
export function resolveListenOptions(options: ListenOptions = {}): ResolvedListenOptions {
  checkKeys('options', options, [
    ...CONNECTION_KEYS,
    'backlog',
    'reusePort',
    'ipv6Only',
    'allowList',
    'blockList',
  ])
  return {
    ...connectionPart(options),
    backlog: integer('options.backlog', options.backlog, { byDefault: 511, min: 1, max: 65535 }),
    reusePort: boolean('options.reusePort', options.reusePort, false),
    ipv6Only: boolean('options.ipv6Only', options.ipv6Only, true),
    admits: admission(
      readList('options.allowList', options.allowList),
      readList('options.blockList', options.blockList),
    ),
  }
}

/** @throws SockError as {@link resolveSockManOptions}; `ERR_INVALID_ADDRESS` for `localAddress` */
export function resolveConnectOptions(options: ConnectOptions = {}): ResolvedConnectOptions {
  checkKeys('options', options, [...CONNECTION_KEYS, 'timeout', 'signal', 'localAddress'])
  const { signal, localAddress } = options
  if (signal !== undefined && !isSignal(signal)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options.signal', 'an AbortSignal', signal)
  }
  return {
    ...connectionPart(options),
    timeout: integer('options.timeout', options.timeout, { byDefault: 5000, min: 0, max: 2 ** 31 - 1 }),
    signal,
    localAddress: localAddress === undefined ? undefined : SockAddr.from(localAddress),
  }
}

type Check = (host: string, family: 'ipv4' | 'ipv6') => boolean

function readList(name: string, list: unknown): Check | undefined {
  if (list === undefined) return undefined
  const check = isObject(list) ? (list as AddressList).check : undefined
  if (typeof check === 'function') {
    return (host, family) => {
      const answer: unknown = check.call(list as AddressList, host, family)
      // A promise, say, would let everybody in.
      if (typeof answer === 'boolean') return answer
      throw invalidArgument('ERR_INVALID_ARG_TYPE', `the answer of ${name}.check`, 'true or false', answer)
    }
  }
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a list with a method check', list)
}

function admission(
  isAllowed: Check = () => true,
  isBlocked: Check = () => false,
): (address: SockAddr) => boolean {
  return ({ family, host }) => {
    if (family === 'unix') return true
    const mapped = /^::ffff:([\d.]+)$/.exec(host)?.[1]
    const asked = mapped === undefined ? ([host, family] as const) : ([mapped, 'ipv4'] as const)
    return isAllowed(...asked) && !isBlocked(...asked)
  }
}

/** ms that a flush may last where nobody says another bound (C67). */
export const FLUSH_TIMEOUT = 5000
const FLUSH_BOUND: Range = { byDefault: FLUSH_TIMEOUT, min: 0, max: 2 ** 31 - 1 }

/** @throws SockError as {@link resolveSockManOptions} */
export function resolveCloseOptions(options: CloseOptions = {}): Filled<CloseOptions> {
  checkKeys('options', options, ['flush', 'timeout', 'reset'])
  return {
    flush: boolean('options.flush', options.flush, false),
    timeout: integer('options.timeout', options.timeout, FLUSH_BOUND),
    reset: boolean('options.reset', options.reset, false),
  }
}

/** @throws SockError as {@link resolveSockManOptions} */
export function resolveStopOptions(options: StopOptions = {}): Filled<StopOptions> {
  checkKeys('options', options, ['flush', 'timeout'])
  const { flush, timeout } = options
  return {
    flush: boolean('options.flush', flush, false),
    timeout: integer('options.timeout', timeout, FLUSH_BOUND),
  }
}

const SEND_KEYS = ['borrow', 'more', 'notify']
const NO_SEND_OPTIONS: Filled<SendOptions> = { borrow: false, more: false, notify: false }

/** @throws SockError as {@link resolveSockManOptions} */
export function resolveSendOptions(options: SendOptions | undefined): Filled<SendOptions> {
  if (options === undefined) return NO_SEND_OPTIONS
  checkKeys('options', options, SEND_KEYS)
  return {
    borrow: boolean('options.borrow', options.borrow, false),
    more: boolean('options.more', options.more, false),
    notify: boolean('options.notify', options.notify, false),
  }
}

/** A copy that never changes. @throws SockError `ERR_INVALID_ARG_TYPE` */
export function resolveRejected(rejected: readonly Rejection[] = []): readonly Rejection[] {
  if (!isObject(rejected) || !Array.isArray(rejected))
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'rejected', 'a list', rejected)
  return Object.freeze([...rejected])
}

function connectionPart(options: ConnectionOptions): ResolvedConnectionOptions {
  const { events } = options
  const given = tcpPart(options)
  const probes = given.keepAlive ? { keepAliveInterval: 1000, keepAliveCount: 10 } : {}
  const { keepAliveInterval, keepAliveCount } = { ...probes, ...definedOptions(given) }
  return {
    events: events === undefined ? undefined : new ReadHandlers(events, 'options.events'),
    tcp: { ...given, noDelay: given.noDelay ?? true, keepAliveInterval, keepAliveCount },
    limits: limitPart(options),
  }
}

/** Of a connection that is there. @throws SockError as {@link resolveSockManOptions} */
export function resolveLiveOptions(options: LiveOptions): ResolvedLiveOptions {
  checkKeys('options', options, LIVE_KEYS)
  return { tcp: tcpPart(options), limits: limitPart(options) }
}

function limitPart(options: LimitOptions): ResolvedLimits | undefined {
  const given: ResolvedLimits = {}
  for (const [key, range] of Object.entries(LIMITS) as [keyof LimitOptions, Range][]) {
    const value = options[key]
    if (value !== undefined) given[key] = integer(`options.${key}`, value, range)
  }
  return Object.keys(given).length > 0 ? given : undefined
}

function tcpPart(options: TcpOptions): ResolvedTcpOptions {
  return {
    noDelay: optional(boolean, 'noDelay', options.noDelay, true),
    keepAlive: optional(probeTime, 'keepAlive', options.keepAlive, 0),
    keepAliveInterval: optional(probeTime, 'keepAliveInterval', options.keepAliveInterval, 1000),
    keepAliveCount: optional(integer, 'keepAliveCount', options.keepAliveCount, PROBES),
    userTimeout: optional(integer, 'userTimeout', options.userTimeout, USER_TIMEOUT),
  }
}

const PROBES: Range = { byDefault: 10, min: 1, max: 127 }
const USER_TIMEOUT: Range = { byDefault: 0, min: 0, max: 2 ** 31 - 1 }

/** For backends: what is not undefined. */
export function definedOptions(tcp: ResolvedTcpOptions): Partial<ResolvedTcpOptions> {
  return Object.fromEntries(Object.entries(tcp).filter(([, value]) => value !== undefined))
}

/** What `read` makes of an option that is there. */
function optional<T, Limits>(
  read: (name: string, value: unknown, limits: Limits) => T,
  name: string,
  value: unknown,
  limits: Limits,
): T | undefined {
  return value === undefined ? undefined : read(`options.${name}`, value, limits)
}

/** ms, of which the kernel has whole seconds. Less than a second is what was seconds before 0.2. */
function probeTime(name: string, value: unknown, byDefault: number): number {
  const ms = integer(name, value, { byDefault, min: 0, max: 32_767_000 })
  if (ms >= 1000 || ms === byDefault) return ms
  const off = byDefault === 0 ? '0 or ' : ''
  throw invalidArgument('ERR_OUT_OF_RANGE', name, `${off}at least 1000 ms (it was seconds before 0.2)`, ms)
}

export function checkKeys(name: string, options: object, known: readonly string[]): void {
  if (!isObject(options)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'an object', options)
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw unknownOption(key, known)
  }
}

export function integer(name: string, value: unknown, { byDefault, min, max }: Range): number {
  if (value === undefined) return byDefault
  if (typeof value !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a number', value)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw invalidArgument('ERR_OUT_OF_RANGE', name, `an integer from ${min} to ${max}`, value)
  }
  return value
}

function boolean(name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault
  if (typeof value !== 'boolean') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'true or false', value)
  return value
}
