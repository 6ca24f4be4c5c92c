import type { SockAddr } from '../address'
import { errnoOf } from '../errors'
import { Fifo } from '../fifo'
import type { Accepted } from '../sock'
import {
  ErrorEvent,
  MSG_PEEK,
  RecvEvent,
  SendEvent,
  SHUT_RD,
  SHUT_WR,
  SO_ERROR,
  SOL_SOCKET,
} from '../sock/constants'
import { MockClock } from './clock'
import { MOCK_ADDRESS, MockSock } from './mock-sock'
import { Pipe } from './pipe'

/** The two directions, as the Sock sees them. */
export interface Pipes {
  readonly recv: Pipe
  readonly send: Pipe
}

export interface DynSockOptions {
  /** Default: a new one. Pipes given are of the same clock. */
  clock?: MockClock | undefined
  /** Default: empty ones without limit. */
  pipes?: Pipes | undefined
  /** What another one released. Default: a number of its own. */
  fd?: number | undefined
}

const EAGAIN = errnoOf('EAGAIN')
const EPIPE = errnoOf('EPIPE')

/**
 * A connection of two pipes that the test fills and inspects, or a listener with a queue of prepared connections.
 * Behaves as a non-blocking Unix stream socket on Linux: a reset is told once, then it is the end of the stream and
 * EPIPE; closing with unread bytes resets the peer; closing without ends both directions.
 */
export class DynSock extends MockSock {
  #pipes: Pipes
  #accepts = new Fifo<Accepted<DynSock>>()
  #toldReset = false

  constructor({ clock = new MockClock(), pipes, fd }: DynSockOptions = {}) {
    super(clock, fd)
    this.#pipes = pipes ?? { recv: new Pipe(clock), send: new Pipe(clock) }
  }

  /** Two connected ones. @param capacity of each direction, bytes; default without limit */
  static pair(clock: MockClock = new MockClock(), capacity?: number): [DynSock, DynSock] {
    const [there, back] = [new Pipe(clock, capacity), new Pipe(clock, capacity)]
    return [
      new DynSock({ clock, pipes: { recv: back, send: there } }),
      new DynSock({ clock, pipes: { recv: there, send: back } }),
    ]
  }

  get pipes(): Pipes {
    return this.#pipes
  }

  /** The next `accept` answers `sock`. */
  queueAccept(sock: DynSock, them: SockAddr = MOCK_ADDRESS): void {
    this.#accepts.add({ sock, them })
    this.clock.stir()
  }

  override ready(requested: number): number {
    if (this.empty) return 0
    const { recv, send } = this.#pipes
    const broken = this.#resetError !== 0
    let occurred = 0
    if (broken || recv.length > 0 || recv.ended || this.#accepts.length > 0) occurred |= RecvEvent
    if (broken || send.writable) occurred |= SendEvent
    if (broken || (recv.ended && send.ended)) occurred |= ErrorEvent
    return occurred & (requested | ErrorEvent)
  }

  override close(): void {
    if (this.empty) return
    super.close()
    const { recv, send } = this.#pipes
    if (recv.length > 0) send.reset()
    send.end()
    recv.end()
  }

  protected override sysSend(data: Uint8Array, offset: number, _flags: number): number {
    const error = this.#takeReset()
    if (error !== 0) return -error
    if (this.#toldReset) return -EPIPE
    return this.#pipes.send.write(data.subarray(offset))
  }

  protected override sysRecv(buffer: Uint8Array, length: number, flags: number): number {
    const { recv } = this.#pipes
    if (recv.length === 0) {
      const error = this.#takeReset()
      if (error !== 0) return -error
      if (this.#toldReset) return 0
    }
    return recv.read(buffer, length, (flags & MSG_PEEK) !== 0)
  }

  protected override sysAccept(): Accepted<DynSock> | number {
    return this.#accepts.take() ?? -EAGAIN
  }

  /** `SO_ERROR` tells a reset and forgets it; any other option is 0. */
  protected override sysGetSockOpt(level: number, name: number, value: Uint8Array): number {
    value.fill(0)
    if (level === SOL_SOCKET && name === SO_ERROR && value.length >= 4) {
      new DataView(value.buffer, value.byteOffset).setInt32(0, this.#takeReset(), true)
    }
    return value.length
  }

  protected override sysShutdown(how: number): number {
    if (how !== SHUT_RD) this.#pipes.send.end()
    if (how !== SHUT_WR) this.#pipes.recv.end()
    return 0
  }

  protected override sysTake(other: this): void {
    this.#pipes = other.#pipes
    this.#accepts = other.#accepts
    this.#toldReset = other.#toldReset
  }

  get #resetError(): number {
    return this.#pipes.recv.error || this.#pipes.send.error
  }

  #takeReset(): number {
    if (this.#toldReset || this.#resetError === 0) return 0
    this.#toldReset = true
    return this.#resetError
  }
}
