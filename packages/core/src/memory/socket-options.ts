import type { AddressFamily } from '../address'
import {
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../sock/constants'

const EINVAL = -22
const ENOPROTOOPT = -92

/** What setsockopt(2) stores. `SO_REUSEADDR`, `SO_KEEPALIVE` and `TCP_NODELAY` change nothing on a network in memory. */
export class SocketOptions {
  readonly #values = new Map([
    [key(SOL_SOCKET, SO_REUSEADDR), [0]],
    [key(SOL_SOCKET, SO_REUSEPORT), [0]],
    [key(SOL_SOCKET, SO_KEEPALIVE), [0]],
    // On or off, and seconds.
    [key(SOL_SOCKET, SO_LINGER), [0, 0]],
  ])

  constructor(family: AddressFamily) {
    if (family !== 'unix') this.#values.set(key(IPPROTO_TCP, TCP_NODELAY), [1])
    if (family === 'ipv6') this.#values.set(key(IPPROTO_IPV6, IPV6_V6ONLY), [0])
  }

  get reusePort(): boolean {
    return this.get(SOL_SOCKET, SO_REUSEPORT)![0] === 1
  }

  get ipv6Only(): boolean {
    return this.get(IPPROTO_IPV6, IPV6_V6ONLY)?.[0] === 1
  }

  /** Whether close is a reset. */
  get lingersNot(): boolean {
    const [on, seconds] = this.get(SOL_SOCKET, SO_LINGER)!
    return on === 1 && seconds === 0
  }

  /** The ints of the option; undefined for one that is not there. */
  get(level: number, name: number): readonly number[] | undefined {
    return this.#values.get(key(level, name))
  }

  set(level: number, name: number, value: Uint8Array): number {
    const known = this.get(level, name)
    if (!known) return ENOPROTOOPT
    if (value.length < 4 * known.length) return EINVAL
    const [first, ...rest] = new Int32Array(value.slice(0, 4 * known.length).buffer)
    this.#values.set(key(level, name), [first === 0 ? 0 : 1, ...rest])
    return 0
  }
}

function key(level: number, name: number): string {
  return `${level} ${name}`
}
