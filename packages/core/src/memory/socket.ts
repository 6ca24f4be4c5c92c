import { type AddressFamily, SockAddr } from '../address'
import { SockError } from '../errors'
import {
  ErrorEvent,
  IPPROTO_IPV6,
  MSG_DONTWAIT,
  MSG_MORE,
  MSG_NOSIGNAL,
  MSG_PEEK,
  MSG_WAITALL,
  RecvEvent,
  SendEvent,
  SHUT_RD,
  SHUT_WR,
  SO_ACCEPTCONN,
  SO_ERROR,
  SO_RCVBUF,
  SO_SNDBUF,
  SO_TYPE,
  SOL_SOCKET,
} from '../sock/constants'
import { EAGAIN, type Endpoint, type EndpointOwner, EPIPE } from './endpoint'
import { CONNECT_TIMEOUT, type Kernel } from './kernel'
import type { Listening } from './listening'
import type { Entry, Target } from './schedule'
import { SocketOptions } from './socket-options'

const EINVAL = -22
const ENOPROTOOPT = -92
const EOPNOTSUPP = -95
const EAFNOSUPPORT = -97
const EISCONN = -106
const ENOTCONN = -107
const ETIMEDOUT = -110
const EALREADY = -114
const EINPROGRESS = -115

const SOCK_STREAM = 1
const FLAGS = MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL | MSG_MORE

/** Who waits for a socket. */
export interface SocketWatcher {
  /** Something of it may have changed. Must not run code of the program. */
  changed(): void
}

/**
 * What a descriptor names: a non-blocking stream socket from socket(2) to close(2). Its calls answer as Linux does: a
 * count, or a negative errno.
 */
export class Socket implements EndpointOwner, Target {
  /** Whose it is. */
  readonly kernel: Kernel
  readonly family: AddressFamily
  readonly watchers = new Set<SocketWatcher>()
  readonly #options: SocketOptions
  /** What `bind` reserved; with a backlog it listens. */
  #name: Listening | undefined
  #endpoint: Endpoint | undefined
  /** Why connecting failed, until somebody was told. */
  #failure = 0
  /** The error that broke the connection was told. */
  #told = false
  /** The end of `connect` was not told by a second one yet. */
  #connecting = false
  #limit: Entry | undefined

  constructor(kernel: Kernel, family: AddressFamily, endpoint?: Endpoint) {
    this.kernel = kernel
    this.family = family
    this.#options = new SocketOptions(family)
    if (endpoint) this.#have(endpoint)
  }

  #have(endpoint: Endpoint): void {
    endpoint.owner = this
    this.#endpoint = endpoint
    this.#told = false
  }

  get #unix(): boolean {
    return this.family === 'unix'
  }

  get #listening(): Listening | undefined {
    return this.#name?.backlog === undefined ? undefined : this.#name
  }

  // ---- What the network does ----

  changed(): void {
    const endpoint = this.#endpoint
    if (endpoint && (endpoint.connected || endpoint.error !== 0)) this.#unlimit()
    if (endpoint && !endpoint.connected && endpoint.error !== 0) {
      this.#failure = endpoint.error
      this.#connecting = false
      this.#endpoint = undefined
      endpoint.close()
    }
    for (const watcher of this.watchers) watcher.changed()
  }

  /** Connecting took too long. */
  happen(): boolean {
    this.#endpoint?.fail(ETIMEDOUT)
    return false
  }

  #unlimit(): void {
    this.kernel.world.clock.cancel(this.#limit)
    this.#limit = undefined
  }

  // ---- Naming and connecting ----

  bind(address: SockAddr): number {
    if (address.family !== this.family) return this.#unix ? EINVAL : EAFNOSUPPORT
    if (this.#name || this.#endpoint) return EINVAL
    return this.#reserve(address)
  }

  #reserve(address: SockAddr): number {
    const { reusePort, ipv6Only } = this.#options
    return attempt(() => {
      this.#name = this.kernel.names.listen(address, { backlog: undefined, reusePort, ipv6Only })
      this.#name.owner = this
    })
  }

  listen(backlog: number): number {
    if (this.#endpoint || (this.#unix && !this.#name)) return EINVAL
    const bound = this.#name ? 0 : this.#reserve(this.#wildcard)
    if (bound < 0) return bound
    this.#name!.backlog = backlog
    this.kernel.world.note('listen', this.#name!.address, undefined, 0)
    this.changed()
    return 0
  }

  /** The connection as a socket of its own. */
  accept(): { socket: Socket; them: SockAddr } | number {
    if (!this.#listening) return EINVAL
    const endpoint = this.#listening.accept()
    return endpoint ? { socket: new Socket(this.kernel, this.family, endpoint), them: endpoint.them } : EAGAIN
  }

  connect(address: SockAddr): number {
    if (address.family !== this.family) return this.#unix ? EINVAL : EAFNOSUPPORT
    if (this.#listening) return this.#unix ? EINVAL : EISCONN
    if (this.#endpoint && !this.#endpoint.connected) return EALREADY
    if (this.#endpoint && !this.#connecting) return EISCONN
    this.#connecting = false
    if (this.#endpoint) return 0
    return this.#takeFailure() || (this.#unix ? this.#connectUnix(address) : this.#connectIp(address))
  }

  #connectUnix(address: SockAddr): number {
    const name = this.#name
    const endpoint = this.kernel.connectUnix(address, name?.address ?? SockAddr.unnamed)
    if (typeof endpoint === 'number') return endpoint
    if (name) endpoint.release = () => this.#leave(name)
    this.#name = undefined
    this.#have(endpoint)
    return 0
  }

  #connectIp(address: SockAddr): number {
    const bound = this.#name?.address
    // The port is that of the connection from now on.
    this.#name?.close()
    this.#name = undefined
    const failed = attempt(() => {
      const endpoint = this.kernel.dial(address, bound)
      if (typeof endpoint === 'number') return endpoint
      this.#have(endpoint)
      return 0
    })
    if (failed < 0) {
      if (bound) this.#reserve(bound)
      return failed
    }
    this.#connecting = true
    const { clock } = this.kernel.world
    this.#limit = clock.limit(clock.now + CONNECT_TIMEOUT, this, 0)
    return EINPROGRESS
  }

  get me(): SockAddr {
    return this.#endpoint?.me ?? this.#name?.address ?? this.#wildcard
  }

  get them(): SockAddr | number {
    const endpoint = this.#endpoint
    const gone = !endpoint?.connected || (!this.#unix && endpoint.error !== 0)
    return gone ? ENOTCONN : endpoint.them
  }

  get #wildcard(): SockAddr {
    return this.#unix ? SockAddr.unnamed : SockAddr.ip(this.family === 'ipv4' ? '0.0.0.0' : '::', 0)
  }

  // ---- Bytes ----

  send(data: Uint8Array, offset: number, flags: number): number {
    if ((flags & ~FLAGS) !== 0) return EOPNOTSUPP
    const endpoint = this.#endpoint
    if (!endpoint) return this.#takeFailure() || (this.#unix ? ENOTCONN : EPIPE)
    if (!endpoint.connected) return EAGAIN
    if (this.#peerIsGone) return EPIPE
    if (endpoint.error !== 0) return this.#takeError() || EPIPE
    return endpoint.write(data, offset, data.length - offset, (flags & MSG_MORE) !== 0 && !this.#unix)
  }

  recv(buffer: Uint8Array, length: number, flags: number): number {
    if ((flags & ~FLAGS) !== 0) return EOPNOTSUPP
    const endpoint = this.#endpoint
    if (!endpoint) return this.#takeFailure() || (this.#unix ? EINVAL : ENOTCONN)
    if (!endpoint.connected) return EAGAIN
    const count =
      (flags & MSG_PEEK) !== 0 ? endpoint.peek(buffer, 0, length) : endpoint.read(buffer, 0, length)
    return count < 0 && count === endpoint.error ? this.#takeError() : count
  }

  shutdown(how: number): number {
    const endpoint = this.#endpoint
    if (!endpoint || typeof this.them === 'number') return ENOTCONN
    if (how !== SHUT_RD) endpoint.shutdown()
    if (how !== SHUT_WR) endpoint.incoming!.refuse()
    this.changed()
    return 0
  }

  /** Which of `requested` and `ErrorEvent` are true now, as poll(2) has it; who asks for room is told when there is. */
  ready(requested: number): number {
    const endpoint = this.#endpoint
    let occurred = 0
    if (endpoint?.connected) {
      const broken = endpoint.error !== 0 || this.#peerIsGone
      const [incoming, outgoing] = [endpoint.incoming!, endpoint.outgoing!]
      if (broken || endpoint.available > 0 || endpoint.atEnd) occurred |= RecvEvent
      if ((requested & SendEvent) !== 0 && (broken || outgoing.ended || outgoing.awaitRoom()))
        occurred |= SendEvent
      if (broken || (incoming.finArrived && outgoing.ended)) occurred |= ErrorEvent
    } else if (this.#listening) {
      if (this.#listening.waiting > 0) occurred |= RecvEvent
    } else if (!endpoint) {
      occurred = SendEvent | ErrorEvent | (this.#failure !== 0 ? RecvEvent : 0)
    }
    return occurred & (requested | ErrorEvent)
  }

  /** A Unix socket knows at once. */
  get #peerIsGone(): boolean {
    return this.#unix && this.#endpoint!.outgoing!.to.closed
  }

  #takeFailure(): number {
    const failure = this.#failure
    this.#failure = 0
    return failure
  }

  /** What broke the connection, once; then 0. */
  #takeError(): number {
    const { error } = this.#endpoint!
    if (this.#told) return 0
    this.#told = error !== 0
    return error
  }

  // ---- Options ----

  getOption(level: number, name: number, value: Uint8Array): number {
    const ints = (level === SOL_SOCKET ? this.#fact(name) : undefined) ?? this.#options.get(level, name)
    if (!ints) return ENOPROTOOPT
    const bytes = new Uint8Array(Int32Array.from(ints).buffer).subarray(0, value.length)
    value.set(bytes)
    return bytes.length
  }

  #fact(name: number): number[] | undefined {
    const { sendBuffer, receiveBuffer } = this.kernel.world
    if (name === SO_ERROR) return [-(this.#endpoint ? this.#takeError() : this.#takeFailure())]
    if (name === SO_TYPE) return [SOCK_STREAM]
    if (name === SO_ACCEPTCONN) return [this.#listening ? 1 : 0]
    if (name === SO_SNDBUF) return [sendBuffer]
    return name === SO_RCVBUF ? [receiveBuffer] : undefined
  }

  setOption(level: number, name: number, value: Uint8Array): number {
    if (level === IPPROTO_IPV6 && (this.#name || this.#endpoint)) return EINVAL
    return this.#options.set(level, name, value)
  }

  // ---- Ending, or going to a SockMan ----

  /** Gives the connection away; undefined when there is none. */
  takeConnected(): Endpoint | undefined {
    if (!this.#endpoint?.connected) return undefined
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    endpoint.owner = undefined
    return endpoint
  }

  /** Gives away what listens; undefined when nothing does. */
  takeListening(): Listening | undefined {
    const listening = this.#listening
    if (listening) this.#name = listening.owner = undefined
    return listening
  }

  close(): void {
    this.#unlimit()
    const endpoint = this.#endpoint
    const name = this.#name
    this.#endpoint = undefined
    this.#name = undefined
    if (name) this.#leave(name)
    if (this.#options.lingersNot && !this.#unix) endpoint?.reset()
    else endpoint?.close()
  }

  /** Unlike a SockMan, the kernel leaves the path of a Unix socket behind (unix(7)). */
  #leave(name: Listening): void {
    name.close()
    const { family, abstract, path } = name.address
    if (family === 'unix' && !abstract) this.kernel.names.files.add(path)
  }
}

/** What the call answers, or the errno of what it throws. */
function attempt(call: () => number | void): number {
  try {
    return call() ?? 0
  } catch (error) {
    if (error instanceof SockError && error.errno !== undefined) return error.errno
    throw error
  }
}
