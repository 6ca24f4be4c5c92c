import { SockAddr } from '../address'
import { Endpoint } from './endpoint'
import { type Answer, Handshake, join } from './handshake'
import type { Listening } from './listening'
import { isLoopback, isWildcard, Namespace, withPort } from './namespace'
import { LOOPBACK, Route } from './route'
import type { Socket } from './socket'
import type { World } from './world'

const ENOENT = -2
const EAGAIN = -11
const EINVAL = -22
const ENETUNREACH = -101
const ECONNREFUSED = -111
const EHOSTUNREACH = -113

/** The kernel's own limit for a connect (`tcp_syn_retries` 6, tcp(7)), ms. */
export const CONNECT_TIMEOUT = 127_000

/** What a kernel needs of the network it is on. */
export interface Surroundings {
  readonly world: World
  readonly unreachable: 'silence' | 'error'
  find(host: string): Kernel | undefined
  route(from: Kernel, to: Kernel | undefined): Route
}

/** The sockets of one host. */
export class Kernel {
  readonly addresses: string[] = []
  readonly names: Namespace
  readonly world: World
  readonly #network: Surroundings
  readonly #loopback: Route

  constructor(network: Surroundings) {
    this.#network = network
    this.world = network.world
    const { clock, random } = this.world
    this.names = new Namespace(random, (host) => isLoopback(host) || this.addresses.includes(host))
    this.#loopback = new Route(clock, random, LOOPBACK)
  }

  /** @throws SockError `EADDRINUSE`, `EADDRNOTAVAIL` */
  listen(address: SockAddr, settings: { backlog: number; reusePort: boolean; ipv6Only: boolean }): Listening {
    const listening = this.names.listen(address, settings)
    this.world.note('listen', listening.address, undefined, 0)
    return listening
  }

  /** A descriptor of this host; undefined for a number that names none. */
  socket(number: number): Socket | undefined {
    const socket = this.world.sockets.get(number)
    return socket?.kernel === this ? socket : undefined
  }

  /** A connecting endpoint: its owner hears how that ends. @throws SockError what binding says */
  connect(address: SockAddr, local: SockAddr | undefined): Endpoint {
    if (address.family !== 'unix') {
      const client = this.dial(address, local)
      return typeof client === 'number' ? this.#fails(local ?? address, address, client) : client
    }
    const client = new Endpoint(this.world, SockAddr.unnamed, address)
    this.#begin(client, this.#loopback, this.#loopback, () => this.#answerUnix(address))
    return client
  }

  /** As connect(2) of a Unix socket, which never waits: connected, or the errno. */
  connectUnix(address: SockAddr, me: SockAddr): Endpoint | number {
    const listening = this.#answerUnix(address)
    if (typeof listening === 'number') return listening
    const client = new Endpoint(this.world, me, address)
    const server = new Endpoint(this.world, address, me)
    this.#join(client, server)
    listening.push(server)
    return client
  }

  /** As socketpair(2). */
  pair(): [Endpoint, Endpoint] {
    const end = (): Endpoint => new Endpoint(this.world, SockAddr.unnamed, SockAddr.unnamed)
    const [one, two] = [end(), end()]
    // Nothing lies between them that could cut what is written.
    one.exact = two.exact = true
    this.#join(one, two)
    return [one, two]
  }

  #join(client: Endpoint, server: Endpoint): void {
    join(this.world, client, server)
    client.connected = server.connected = true
    this.world.note('established', server.me, server.them, 0)
  }

  #answerUnix(address: SockAddr): Listening | number {
    const listening = this.names.find(address)
    if (listening) return listening.full ? EAGAIN : listening
    return !address.abstract && !this.names.has(address.path) ? ENOENT : ECONNREFUSED
  }

  /** What the kernel knows at once, and the owner is told all the same. */
  #fails(me: SockAddr, them: SockAddr, errno: number): Endpoint {
    const client = new Endpoint(this.world, me, them)
    this.#begin(client, this.#loopback, this.#loopback, () => errno)
    return client
  }

  /** As connect(2) of TCP: a connecting endpoint, or the errno. @throws SockError what binding says */
  dial(address: SockAddr, local: SockAddr | undefined): Endpoint | number {
    const { unreachable } = this.#network
    const them = reachable(address)
    const own = isLoopback(them.host) || this.addresses.includes(them.host)
    const source = this.#source(them, local)
    if (typeof source === 'number') return source
    const { me, release } = this.names.bind(source, them)
    const client = new Endpoint(this.world, me, them)
    client.release = release
    const there = own ? this : this.#network.find(them.host)
    const route = own ? this.#loopback : this.#network.route(this, there)
    const back = own || !there ? route : this.#network.route(there, this)
    this.#begin(client, route, back, () => {
      if (!there) return unreachable === 'error' ? EHOSTUNREACH : undefined
      if (own && me.toString() === them.toString()) return 'oneself'
      return there.names.find(them) ?? ECONNREFUSED
    })
    return client
  }

  #begin(client: Endpoint, route: Route, back: Route, answer: () => Answer): void {
    new Handshake(this.world, client, { route, back, answer, show }).begin()
  }

  /** What a connection to `them` is bound to, port 0 for any; or an errno. */
  #source(them: SockAddr, local: SockAddr | undefined): SockAddr | number {
    if (local && local.family !== them.family) return EINVAL
    if (local && !isWildcard(local)) return isLoopback(local.host) && !this.#isHere(them) ? EINVAL : local
    const port = local?.port ?? 0
    if (isLoopback(them.host)) return SockAddr.ip(them.family === 'ipv4' ? '127.0.0.1' : '::1', port)
    if (this.addresses.includes(them.host)) return withPort(them, port)
    const host = this.addresses.find((each) => each.includes(':') === (them.family === 'ipv6'))
    return host === undefined ? ENETUNREACH : SockAddr.ip(host, port)
  }

  #isHere({ host }: SockAddr): boolean {
    return isLoopback(host) || this.addresses.includes(host)
  }
}

/** Where a packet to that address goes: a wildcard means this host, a mapped address IPv4 (RFC 4291). */
function reachable(address: SockAddr): SockAddr {
  if (isWildcard(address)) return SockAddr.ip(address.family === 'ipv4' ? '127.0.0.1' : '::1', address.port)
  return address.host.startsWith('::ffff:') && address.host.includes('.')
    ? SockAddr.ip(address.host.slice(7), address.port)
    : address
}

/** An IPv6 listener shows IPv4 addresses mapped. */
function show(address: SockAddr, { dualStack }: Listening): SockAddr {
  return dualStack && address.family === 'ipv4'
    ? SockAddr.ip(`::ffff:${address.host}`, address.port)
    : address
}
