import { SockAddr } from '../address'
import { SockError } from '../errors'
import { Listening } from './listening'
import type { Random } from './random'

const EADDRINUSE = -98
const EADDRNOTAVAIL = -99
/** `net.ipv4.ip_local_port_range`. */
const FIRST_PORT = 32768
const PORTS = 60999 - FIRST_PORT + 1

interface ListenSettings {
  /** Undefined: only bound, nobody finds it. */
  readonly backlog: number | undefined
  readonly reusePort: boolean
  readonly ipv6Only: boolean
}

/** What sockets of one host are called: ports, Unix paths, abstract names. */
export class Namespace {
  /** Paths that are no live socket. */
  readonly files = new Set<string>()
  readonly #random: Random
  readonly #isOwn: (host: string) => boolean
  readonly #ports = new Map<number, Listening[]>()
  readonly #unix = new Map<string, Listening>()
  /** Local ports of connections, by local and remote address. */
  readonly #connected = new Map<string, Set<number>>()

  constructor(random: Random, isOwn: (host: string) => boolean) {
    this.#random = random
    this.#isOwn = isOwn
  }

  /** @throws SockError `EADDRINUSE`, `EADDRNOTAVAIL` */
  listen(wanted: SockAddr, settings: ListenSettings): Listening {
    return wanted.family === 'unix' ? this.#listenUnix(wanted, settings) : this.#listenIp(wanted, settings)
  }

  #listenUnix(address: SockAddr, settings: ListenSettings): Listening {
    if (this.has(address.path)) throw bindError(EADDRINUSE, address)
    const listening = new Listening(address, { ...settings, dualStack: false }, () =>
      this.#unix.delete(address.path),
    )
    this.#unix.set(address.path, listening)
    return listening
  }

  #listenIp(wanted: SockAddr, { ipv6Only, ...settings }: ListenSettings): Listening {
    const dualStack = wanted.host === '::' && !ipv6Only
    if (!isWildcard(wanted) && !this.#isOwn(wanted.host)) throw bindError(EADDRNOTAVAIL, wanted)
    const free = (port: number): boolean =>
      (this.#ports.get(port) ?? []).every(
        (other) => (settings.reusePort && other.reusePort) || !overlap(other, wanted, dualStack),
      )
    const port = wanted.port === 0 ? this.#pick(free) : wanted.port
    if (port === undefined || !free(port)) throw bindError(EADDRINUSE, wanted)
    const address = withPort(wanted, port)
    const listening = new Listening(address, { ...settings, dualStack }, (it) => this.#unlisten(port, it))
    const others = this.#ports.get(port)
    if (others) others.push(listening)
    else this.#ports.set(port, [listening])
    return listening
  }

  #unlisten(port: number, listening: Listening): void {
    const left = this.#ports.get(port)!.filter((other) => other !== listening)
    if (left.length > 0) this.#ports.set(port, left)
    else this.#ports.delete(port)
  }

  /** Whether a Unix socket has that name. */
  has(path: string): boolean {
    return this.#unix.has(path) || this.files.has(path)
  }

  /** Who takes a connection to that address; of several that share a port (`SO_REUSEPORT`) a seeded one. */
  find(to: SockAddr): Listening | undefined {
    if (to.family === 'unix') {
      const listening = this.#unix.get(to.path)
      return listening?.backlog === undefined ? undefined : listening
    }
    const takers = (this.#ports.get(to.port) ?? []).filter(
      ({ address, backlog, dualStack }) =>
        backlog !== undefined &&
        (address.host === to.host ||
          (address.family === to.family && isWildcard(address)) ||
          (dualStack && to.family === 'ipv4')),
    )
    return takers.length > 1 ? takers[this.#random.below(takers.length)] : takers[0]
  }

  /**
   * Binds the local end of a connection to `them`; `release` gives the port back.
   *
   * @throws SockError `EADDRINUSE`, `EADDRNOTAVAIL`
   */
  bind(wanted: SockAddr, them: SockAddr): { me: SockAddr; release: () => void } {
    if (!this.#isOwn(wanted.host)) throw bindError(EADDRNOTAVAIL, wanted)
    const pair = `${wanted.host} ${them}`
    const taken = this.#connected.get(pair) ?? new Set()
    const free = (port: number): boolean =>
      !taken.has(port) && !(this.#ports.get(port) ?? []).some((other) => overlap(other, wanted, false))
    const port = wanted.port === 0 ? this.#pick(free) : wanted.port
    // As Linux: a port that was asked for is in use, none is left of those that could be picked.
    if (port === undefined) throw SockError.fromErrno(EADDRNOTAVAIL, 'connect', them.where)
    if (!free(port)) throw bindError(EADDRINUSE, wanted)
    this.#connected.set(pair, taken.add(port))
    const release = (): void => {
      taken.delete(port)
      if (taken.size === 0 && this.#connected.get(pair) === taken) this.#connected.delete(pair)
    }
    return { me: withPort(wanted, port), release }
  }

  /** The next free port from a seeded one on. */
  #pick(free: (port: number) => boolean): number | undefined {
    const first = this.#random.below(PORTS)
    for (let n = 0; n < PORTS; n++) {
      const port = FIRST_PORT + ((first + n) % PORTS)
      if (free(port)) return port
    }
    return undefined
  }
}

export function isWildcard({ host }: SockAddr): boolean {
  return host === '0.0.0.0' || host === '::'
}

export function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1'
}

export function withPort(address: SockAddr, port: number): SockAddr {
  return SockAddr.ip(address.zone ? `${address.host}%${address.zone}` : address.host, port)
}

function overlap(other: Listening, wanted: SockAddr, dualStack: boolean): boolean {
  if (other.address.family !== wanted.family) return other.dualStack || dualStack
  return other.address.host === wanted.host || isWildcard(other.address) || isWildcard(wanted)
}

function bindError(errno: number, address: SockAddr): SockError {
  return SockError.fromErrno(errno, 'bind', address.where)
}
