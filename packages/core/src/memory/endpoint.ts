import type { SockAddr } from '../address'
import type { Pipe } from './pipe'
import type { World } from './world'

/** Linux's numbers, as in `errors.ts`. */
export const EAGAIN = -11
export const EPIPE = -32

/** Who is told of an endpoint. It must not run code of the program, but schedule what does. */
export interface EndpointOwner {
  /** Something of it may have changed: connected, readable, writable, ended, broken. */
  changed(): void
}

/** A socket as a kernel has it: one end of a connection, between two pipes. */
export class Endpoint {
  owner: EndpointOwner | undefined
  me: SockAddr
  them: SockAddr
  connected = false
  closed = false
  /** The negative errno that ended it, else 0. */
  error = 0
  incoming: Pipe | undefined
  outgoing: Pipe | undefined
  /** Gives back what it holds of its host: the port. */
  release: (() => void) | undefined
  /** Counts are what a kernel gives, not a seeded part of it. */
  exact = false
  readonly #world: World
  /** The write before was cut short: this one is not. */
  #cutShort = false
  /** Bytes that a peek has shown: a read gives no less. */
  #peeked = 0

  constructor(world: World, me: SockAddr, them: SockAddr) {
    this.#world = world
    this.me = me
    this.them = them
  }

  changed(): void {
    this.owner?.changed()
  }

  /** Bytes that a read would find. */
  get available(): number {
    return this.incoming?.available ?? 0
  }

  /** Bytes that were written, and that the other side has not got. */
  get unacknowledged(): number {
    return this.outgoing?.unacknowledged ?? 0
  }

  /** Whether a read would answer the end of the stream. */
  get atEnd(): boolean {
    return this.incoming?.atEnd ?? false
  }

  /** How many bytes were taken, often not all; or a negative errno: EAGAIN, EPIPE, or what ended the connection. */
  write(data: Uint8Array, from: number, length: number, more = false): number {
    if (this.error !== 0) return this.error
    if (!this.outgoing || !this.connected) return EAGAIN
    if (this.outgoing.ended) return EPIPE
    let wanted = length
    this.#cutShort = !this.exact && length > 1 && !this.#cutShort && this.#world.random.below(8) === 0
    if (this.#cutShort) wanted = 1 + this.#world.random.below(length - 1)
    const count = this.outgoing.write(data, from, wanted, more)
    if (count === 0) return EAGAIN
    this.#world.note('write', this.me, this.them, count)
    return count
  }

  /** How many bytes were moved to `into`, a seeded part of what is there; 0 at the end; or a negative errno. */
  read(into: Uint8Array, at: number, most: number): number {
    const count = this.#readable(most)
    if (count <= 0) return count
    this.#peeked = Math.max(0, this.#peeked - count)
    this.incoming!.take(into, at, count)
    this.#world.note('read', this.me, this.them, count)
    return count
  }

  /** The same, and leaves them where they are. */
  peek(into: Uint8Array, at: number, most: number): number {
    const count = this.#readable(most)
    if (count <= 0) return count
    this.#peeked = Math.max(this.#peeked, count)
    this.incoming!.peek(into, at, count)
    return count
  }

  #readable(most: number): number {
    const { available } = this
    if (available === 0) return this.atEnd ? 0 : this.error !== 0 ? this.error : EAGAIN
    const length = Math.min(available, most)
    return this.exact ? length : Math.max(this.#world.chunk(length), Math.min(this.#peeked, length))
  }

  /** Ends the sending side. */
  shutdown(): void {
    this.outgoing?.end()
  }

  /** As close(2): what was written still arrives; with unread bytes it is a reset. */
  close(): void {
    if (this.closed) return
    const unread = this.available > 0
    this.#leave()
    if (this.error !== 0 || !this.connected) return
    if (unread) this.outgoing!.abort()
    else this.outgoing!.end()
  }

  /** Closes with RST (`SO_LINGER` 0). */
  reset(): void {
    if (this.closed) return
    this.#leave()
    if (this.error === 0 && this.connected) this.outgoing!.abort()
  }

  /** The connection broke: told by the other side. */
  fail(errno: number): void {
    if (this.error !== 0) return
    this.error = errno
    this.outgoing?.stop()
    this.changed()
  }

  #leave(): void {
    this.#world.note('close', this.me, this.them, 0)
    this.closed = true
    this.owner = undefined
    this.incoming?.discard()
    this.release?.()
    this.release = undefined
  }
}
