import { errnoOf, invalidArgument, SockError } from '../errors'
import type { MockClock } from './clock'

const EAGAIN = errnoOf('EAGAIN')
const EPIPE = errnoOf('EPIPE')

/**
 * One direction of a {@link DynSock}: bytes in memory. A test pushes, ends and resets what the Sock receives, and takes
 * what the Sock sent.
 */
export class Pipe {
  readonly #clock: MockClock
  readonly #capacity: number
  #bytes: Uint8Array = new Uint8Array(0)
  #ended = false
  #error = 0

  /** @param capacity bytes it holds before a Sock's `send` answers -EAGAIN; default without limit */
  constructor(clock: MockClock, capacity: number = Number.POSITIVE_INFINITY) {
    if (!(capacity > 0)) throw invalidArgument('ERR_OUT_OF_RANGE', 'capacity', 'at least 1 byte', capacity)
    this.#clock = clock
    this.#capacity = capacity
  }

  /** Bytes inside. */
  get length(): number {
    return this.#bytes.length
  }

  /** Whether no byte will follow those inside. */
  get ended(): boolean {
    return this.#ended
  }

  /** The positive errno of a reset, 0 before. */
  get error(): number {
    return this.#error
  }

  /** Whether a send would take something or fail. */
  get writable(): boolean {
    return this.#ended || this.#error !== 0 || this.length < this.#capacity
  }

  /** Adds all of `data`, a string as UTF-8, copied and whatever the capacity. @throws SockError `EPIPE` after `end` */
  push(data: Uint8Array | string): void {
    if (this.#ended) throw SockError.fromErrno(EPIPE, 'push')
    this.#append(typeof data === 'string' ? new TextEncoder().encode(data) : data)
  }

  /** The end of the stream follows what is inside. */
  end(): void {
    this.#ended = true
    this.#clock.stir()
  }

  /** The connection breaks: both its directions meet `errno`, once, after what is inside. */
  reset(errno = 'ECONNRESET'): void {
    this.#error = errnoOf(errno)
    this.#clock.stir()
  }

  /** Removes everything inside. */
  take(): Uint8Array {
    const all = this.#bytes
    this.#drop(all.length)
    return all
  }

  /** `take` as text (UTF-8). */
  takeText(): string {
    return new TextDecoder().decode(this.take())
  }

  /** What a Sock's recv does: a count, 0 at the end, -EAGAIN. */
  read(buffer: Uint8Array, length: number, peek: boolean): number {
    const served = this.#bytes.subarray(0, length)
    buffer.set(served)
    if (served.length === 0) return this.#ended ? 0 : -EAGAIN
    if (!peek) this.#drop(served.length)
    return served.length
  }

  /** What a Sock's send does: a count, -EAGAIN when full, -EPIPE after the end. */
  write(data: Uint8Array): number {
    if (this.#ended) return -EPIPE
    const room = this.#capacity - this.length
    if (room <= 0) return -EAGAIN
    const taken = data.subarray(0, room)
    this.#append(taken)
    return taken.length
  }

  #append(data: Uint8Array): void {
    const bytes = new Uint8Array(this.length + data.length)
    bytes.set(this.#bytes)
    bytes.set(data, this.length)
    this.#bytes = bytes
    this.#clock.stir()
  }

  #drop(count: number): void {
    this.#bytes = this.#bytes.subarray(count)
    this.#clock.stir()
  }
}
