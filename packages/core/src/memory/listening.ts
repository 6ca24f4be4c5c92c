import type { SockAddr } from '../address'
import { Fifo } from '../fifo'
import type { Endpoint, EndpointOwner } from './endpoint'

/** What `bind` reserves. Once it listens, connections that the kernel has completed wait in its queue. */
export class Listening {
  readonly address: SockAddr
  readonly reusePort: boolean
  /** Takes IPv4 connections too (an IPv6 wildcard without `IPV6_V6ONLY`). */
  readonly dualStack: boolean
  owner: EndpointOwner | undefined
  closed = false
  /** Undefined until it listens; may change. */
  backlog: number | undefined
  readonly #queue = new Fifo<Endpoint>()
  readonly #unbind: (listening: Listening) => void

  constructor(
    address: SockAddr,
    options: { backlog: number | undefined; reusePort: boolean; dualStack: boolean },
    unbind: (listening: Listening) => void,
  ) {
    this.address = address
    this.reusePort = options.reusePort
    this.dualStack = options.dualStack
    this.backlog = options.backlog
    this.#unbind = unbind
  }

  get waiting(): number {
    return this.#queue.length
  }

  /** Linux lets one more in than `backlog` says (listen(2), `sk_acceptq_is_full`). */
  get full(): boolean {
    return this.#queue.length > (this.backlog ?? -1)
  }

  push(endpoint: Endpoint): void {
    this.#queue.add(endpoint)
    this.owner?.changed()
  }

  accept(): Endpoint | undefined {
    return this.#queue.take()
  }

  /** What waits in its queue is reset. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.owner = undefined
    this.#unbind(this)
    for (const endpoint of this.#queue) endpoint.reset()
    this.#queue.clear()
  }
}
