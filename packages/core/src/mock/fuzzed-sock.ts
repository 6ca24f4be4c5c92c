import { SockAddr } from '../address'
import { errnoOf } from '../errors'
import type { Accepted } from '../sock'
import { MSG_PEEK } from '../sock/constants'
import { ByteSource } from './byte-source'
import { MockClock } from './clock'
import { errnosOf } from './errnos'
import { MockSock } from './mock-sock'

const SEND = errnosOf('send')
const RECV = errnosOf('recv')
const CONNECT = errnosOf('connect')
const BIND = errnosOf('bind')
const LISTEN = errnosOf('listen')
const ACCEPT = errnosOf('accept')
const SOCKOPT = errnosOf('sockOpt')
const NAME = errnosOf('name')
const NON_BLOCKING = errnosOf('nonBlocking')
const SHUTDOWN = errnosOf('shutdown')
const WAIT = errnosOf('wait')
const EINTR = errnoOf('EINTR')

/**
 * A Sock whose every result is decided by a {@link ByteSource}: short reads and writes, each errno that each call can
 * return, bytes out of nowhere, waits that end in any way; and each call takes some time of the clock. Peeked bytes come
 * back. The same source gives the same results for the same calls.
 */
export class FuzzedSock extends MockSock {
  #source: ByteSource
  /** Peeked, so the next to be received. */
  #peeked: Uint8Array = new Uint8Array(0)
  #selectable: boolean

  constructor(source: ByteSource | Uint8Array | number, clock: MockClock = new MockClock()) {
    super(clock)
    this.#source = source instanceof ByteSource ? source : new ByteSource(source)
    this.#selectable = this.#source.boolean()
  }

  override ready(_requested: number): number {
    return 0
  }

  override beginWait(requested: number): number {
    this.#takeTime()
    if (this.#source.boolean()) return requested
    return this.#source.boolean() ? 0 : -this.#source.pick(WAIT)
  }

  override get passive(): boolean {
    return true
  }

  protected override sysSend(data: Uint8Array, offset: number, _flags: number): number {
    this.#takeTime()
    const kind = this.#source.byte()
    if (kind < 48) return -this.#source.pick(SEND)
    const left = data.length - offset
    return kind < 128 ? left : this.#source.integer(0, left)
  }

  protected override sysRecv(buffer: Uint8Array, length: number, flags: number): number {
    this.#takeTime()
    const kind = this.#source.byte()
    const peek = (flags & MSG_PEEK) !== 0
    if (this.#peeked.length > 0) {
      if (kind > 240) return -EINTR
      const most = Math.min(length, this.#peeked.length)
      const count = kind > 160 ? this.#source.integer(1, most) : most
      buffer.set(this.#peeked.subarray(0, count))
      if (!peek) this.#peeked = this.#peeked.subarray(count)
      return count
    }
    if (kind < 32) return -this.#source.pick(RECV)
    if (kind < 40) return 0
    const count = this.#source.integer(1, kind < 128 ? length : Math.min(length, 16))
    const bytes = buffer.subarray(0, count)
    this.#source.fill(bytes)
    if (peek) this.#peeked = new Uint8Array(bytes) // what `slice` of a Buffer is not: a copy
    return count
  }

  protected override sysConnect(): number {
    return this.#zeroOr(CONNECT)
  }

  protected override sysBind(): number {
    return this.#zeroOr(BIND)
  }

  protected override sysListen(): number {
    return this.#zeroOr(LISTEN)
  }

  protected override sysAccept(): Accepted<FuzzedSock> | number {
    const result = this.#zeroOr(ACCEPT)
    return result < 0 ? result : { sock: new FuzzedSock(this.#source, this.clock), them: this.#someAddress() }
  }

  protected override sysGetSockOpt(_level: number, _name: number, value: Uint8Array): number {
    const result = this.#zeroOr(SOCKOPT)
    if (result < 0) return result
    this.#source.fill(value)
    return value.length
  }

  protected override sysSetSockOpt(): number {
    return this.#zeroOr(SOCKOPT)
  }

  protected override sysGetSockName(): SockAddr | number {
    return this.#zeroOr(NAME) || this.#someAddress()
  }

  protected override sysGetPeerName(): SockAddr | number {
    return this.#zeroOr(NAME) || this.#someAddress()
  }

  protected override sysSetNonBlocking(): number {
    return this.#zeroOr(NON_BLOCKING)
  }

  protected override sysShutdown(): number {
    return this.#zeroOr(SHUTDOWN)
  }

  protected override sysIsSelectable(): boolean {
    return this.#selectable
  }

  protected override sysTake(other: this): void {
    this.#source = other.#source
    this.#peeked = other.#peeked
    this.#selectable = other.#selectable
  }

  #zeroOr(list: readonly number[]): number {
    this.#takeTime()
    return this.#source.boolean() ? 0 : -this.#source.pick(list)
  }

  #takeTime(): void {
    this.clock.advance(this.#source.byte() & 15)
  }

  #someAddress(): SockAddr {
    const part = (): number => this.#source.byte()
    return SockAddr.ip(`${part()}.${part()}.${part()}.${part()}`, this.#source.integer(0, 65535))
  }
}
