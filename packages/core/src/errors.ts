import { isObject } from './objects'

/**
 * Errors in Node's own shape: a stable `code`, a negative `errno`, the `syscall`, the address.
 *
 * The table is Linux's (x64 and arm64 share it); a backend of another platform passes `code` itself.
 */
const TABLE: Readonly<Record<string, readonly [errno: number, text: string]>> = {
  EPERM: [1, 'Operation not permitted'],
  ENOENT: [2, 'No such file or directory'],
  EINTR: [4, 'Interrupted system call'],
  EIO: [5, 'Input/output error'],
  EBADF: [9, 'Bad file descriptor'],
  EAGAIN: [11, 'Resource temporarily unavailable'],
  ENOMEM: [12, 'Cannot allocate memory'],
  EACCES: [13, 'Permission denied'],
  EFAULT: [14, 'Bad address'],
  EEXIST: [17, 'File exists'],
  ENODEV: [19, 'No such device'],
  ENOTDIR: [20, 'Not a directory'],
  EISDIR: [21, 'Is a directory'],
  EINVAL: [22, 'Invalid argument'],
  ENFILE: [23, 'Too many open files in system'],
  EMFILE: [24, 'Too many open files'],
  ENOSPC: [28, 'No space left on device'],
  EROFS: [30, 'Read-only file system'],
  EPIPE: [32, 'Broken pipe'],
  ENAMETOOLONG: [36, 'File name too long'],
  ENOSYS: [38, 'Function not implemented'],
  ELOOP: [40, 'Too many levels of symbolic links'],
  EPROTO: [71, 'Protocol error'],
  ENOTSOCK: [88, 'Socket operation on non-socket'],
  EDESTADDRREQ: [89, 'Destination address required'],
  EMSGSIZE: [90, 'Message too long'],
  EPROTOTYPE: [91, 'Protocol wrong type for socket'],
  ENOPROTOOPT: [92, 'Protocol not available'],
  EPROTONOSUPPORT: [93, 'Protocol not supported'],
  EOPNOTSUPP: [95, 'Operation not supported'],
  EAFNOSUPPORT: [97, 'Address family not supported by protocol'],
  EADDRINUSE: [98, 'Address already in use'],
  EADDRNOTAVAIL: [99, 'Cannot assign requested address'],
  ENETDOWN: [100, 'Network is down'],
  ENETUNREACH: [101, 'Network is unreachable'],
  ENETRESET: [102, 'Network dropped connection on reset'],
  ECONNABORTED: [103, 'Software caused connection abort'],
  ECONNRESET: [104, 'Connection reset by peer'],
  ENOBUFS: [105, 'No buffer space available'],
  EISCONN: [106, 'Transport endpoint is already connected'],
  ENOTCONN: [107, 'Transport endpoint is not connected'],
  ETIMEDOUT: [110, 'Connection timed out'],
  ECONNREFUSED: [111, 'Connection refused'],
  EHOSTDOWN: [112, 'Host is down'],
  EHOSTUNREACH: [113, 'No route to host'],
  EALREADY: [114, 'Operation already in progress'],
  EINPROGRESS: [115, 'Operation now in progress'],
  ECANCELED: [125, 'Operation canceled'],
}

const NAMES = new Map(Object.entries(TABLE).map(([name, [errno]]) => [errno, name]))

/** errno values after which the same call may be tried again (`EWOULDBLOCK` is `EAGAIN`). */
const TRANSIENT: ReadonlySet<number> = new Set(
  ['EAGAIN', 'EINTR', 'EINPROGRESS'].map((name) => TABLE[name]![0]),
)

/** These mean that the machine is short of something, not that a mechanism is unavailable. */
const RESOURCE: ReadonlySet<unknown> = new Set(['ENOMEM', 'EMFILE', 'ENFILE', 'ENOBUFS'])

/** Whether a code is that of a shortage (memory, descriptors), which says nothing about an engine: it is passed on as it is. */
export function isResourceError(code: unknown): boolean {
  return RESOURCE.has(code)
}

/** The name of an errno of either sign, `'EUNKNOWN'` when there is none. */
export function errnoName(errno: number): string {
  return NAMES.get(Math.abs(errno)) ?? 'EUNKNOWN'
}

/** The positive errno of a name (`'EPIPE'` is 32). @throws SockError `ERR_INVALID_ARG_VALUE` for a name that is none */
export function errnoOf(name: string): number {
  const entry = typeof name === 'string' && Object.hasOwn(TABLE, name) ? TABLE[name] : undefined
  if (!entry) throw invalidArgument('ERR_INVALID_ARG_VALUE', 'errno', 'the name of an errno', name)
  return entry[0]
}

/**
 * Whether an I/O error of either sign ends the socket; the transient ones are EAGAIN, EWOULDBLOCK, EINTR and
 * EINPROGRESS. Source: `IOErrorIsPermanent` of Bitcoin Core's `util/sock.cpp`.
 */
export function ioErrorIsPermanent(errno: number): boolean {
  return !TRANSIENT.has(Math.abs(errno))
}

/** Text and number, `"Connection reset by peer (104)"`. Source: `NetworkErrorString` of `util/sock.cpp`. */
export function networkErrorString(errno: number): string {
  const number = Math.abs(errno)
  return `${TABLE[errnoName(number)]?.[1] ?? 'Unknown error'} (${number})`
}

/** What a {@link SockError} carries beside its message. */
export interface SockErrorFields {
  /** Stable: an errno name (`'ECONNRESET'`), `'ABORT_ERR'`, or one of this project's `ERR_…`. */
  code: string
  /** Negative, as in Node; absent when no system call failed. */
  errno?: number
  /** The call that failed: `'recv'`, `'send'`, `'connect'`, `'bind'`, … */
  syscall?: string
  /** The address in {@link SockAddr}'s text form without its port, or the path of a Unix socket. */
  address?: string
  port?: number
  /** On `onError`: bytes received but dropped, because the connection was paused (C36). */
  undeliveredBytes?: number
  /** On `onError`: bytes taken by `send` that never reached the kernel (C57). */
  unsentBytes?: number
  /** On a failed `sendComplete`: bytes that went out before. */
  bytesSent?: number
  /** On a failed `recvUntilTerminator`: the bytes it had consumed, without losing any. */
  received?: Uint8Array
  /** On `ERR_SOCK_MAX_DATA`: the limit that was met. */
  maxData?: number
  /** On `ERR_BACKEND_UNAVAILABLE`: which backend, why, and what to do. */
  backend?: string
  reason?: string
  remedy?: string
  cause?: unknown
}

/** Of the prototype of SockError, in every copy of this package. */
const BRAND = Symbol.for('sockman.SockError')

/** Every error this project throws or reports. Tell them apart by `code`, never by message. */
export class SockError extends Error {
  /** Whether `value` is a SockError, also one of another copy of this package, which `instanceof` does not know. Never throws. */
  static is(value: unknown): value is SockError {
    return isObject(value) && attempt(() => Reflect.get(value, BRAND)) === true
  }

  declare readonly code: string
  declare readonly errno?: number
  declare readonly syscall?: string
  declare readonly address?: string
  declare readonly port?: number
  declare readonly undeliveredBytes?: number
  declare readonly unsentBytes?: number
  declare readonly bytesSent?: number
  declare readonly received?: Uint8Array
  declare readonly maxData?: number
  declare readonly backend?: string
  declare readonly reason?: string
  declare readonly remedy?: string

  constructor(message: string, { cause, ...fields }: SockErrorFields) {
    super(message, cause === undefined ? undefined : { cause })
    Object.assign(this, fields)
  }

  override get name(): string {
    return 'SockError'
  }

  /**
   * The error of a failed system call, its message `connect ECONNREFUSED 127.0.0.1:1: Connection refused (111)`.
   *
   * @param errno of either sign
   */
  static fromErrno(
    errno: number,
    syscall: string,
    where: { address?: string; port?: number } = {},
    more: Partial<SockErrorFields> = {},
  ): SockError {
    const code = errnoName(errno)
    const at = where.address === undefined ? '' : ` ${formatWhere(where.address, where.port)}`
    return sockError(`${syscall} ${code}${at}: ${networkErrorString(errno)}`, {
      code,
      errno: -Math.abs(errno),
      syscall,
      ...where,
      ...more,
    })
  }
}

// No member of the class: the types of two copies are the same then.
Object.defineProperty(SockError.prototype, BRAND, { value: true })

/** For the class itself: a bundler renames a class that names itself, and an uncaught error shows the class's name. */
function sockError(message: string, fields: SockErrorFields): SockError {
  return new SockError(message, fields)
}

function formatWhere(address: string, port: number | undefined): string {
  if (port === undefined) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** The error of a wrong argument: names the argument, what it may be and what it was. */
export function invalidArgument(
  code: 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE' | 'ERR_UNKNOWN_OPTION',
  name: string,
  expected: string,
  actual: unknown,
): SockError {
  return new SockError(`${name} must be ${expected}, not ${describe(actual)}`, { code })
}

/** The error of a key that is none of the `known`. */
export function unknownOption(name: string, known: readonly string[]): SockError {
  return new SockError(`unknown option ${describe(name)}; known are ${known.join(', ')}`, {
    code: 'ERR_UNKNOWN_OPTION',
  })
}

/** A short text of any value for an error message; never throws. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return `function ${nameOf(() => value.name) || '(anonymous)'}`
  if (typeof value === 'object' && value !== null) return nameOf(() => value.constructor?.name) || 'an object'
  return String(value)
}

/** What `read` says, if that is a text. */
function nameOf(read: () => unknown): string {
  const name = attempt(read)
  return typeof name === 'string' ? name : ''
}

/** What `read` says; undefined when it throws, as a getter may, and a proxy that was revoked does. */
function attempt(read: () => unknown): unknown {
  try {
    return read()
  } catch {
    return undefined
  }
}
