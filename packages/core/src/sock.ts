import { type AddressInput, SockAddr } from './address'
import { checkBytes, lengthOf } from './bytes'
import { invalidArgument, ioErrorIsPermanent, networkErrorString, SockError } from './errors'
import { isInstance, isMap, isRevoked } from './objects'
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK } from './sock/constants'
import { Descriptor, guard, unguard } from './sock/descriptor'
import type { SockHost } from './sock/host'
import {
  checkEvents,
  checkInteger,
  checkTimeout,
  type RecvUntilTerminatorOptions,
  resolveRecvOptions,
  resolveSendCompleteOptions,
  resolveWaitOptions,
  type SendCompleteOptions,
  type Stop,
  type WaitOptions,
} from './sock/options'
import { decode, recvUntilTerminator } from './sock/recv-until-terminator'
import { sendComplete } from './sock/send-complete'
import { drive, driveSync, type Steps } from './sock/steps'
import { type HeldRequest, waitFor, waitForSync, waitOrThrow, waitOrThrowSync } from './sock/waiting'
import type { Releasable } from './sock-man'

/** What is asked of a Sock in `waitMany`, and what came of it. */
export interface Events {
  /** {@link RecvEvent} | {@link SendEvent}; {@link ErrorEvent} needs no asking. */
  requested: number
  /** Set by a wait that succeeded, left as it was by one that failed. */
  occurred: number
}

/** Many Socks for one wait. */
export type EventsPerSock = Map<Sock, Events>

/** What `accept` answers: the connection, and the peer's address. */
export interface Accepted<S> {
  readonly sock: S
  readonly them: SockAddr
}

/** What `isConnected` found. */
export type ConnectedResult =
  | { readonly connected: true }
  /** `'not connected'` when empty, `'closed'` at the end of the stream, else an error as text. */
  | { readonly connected: false; readonly reason: string }

/** Where there is no `Symbol.dispose` yet (browsers), a `using` that was compiled away looks for this one. */
const dispose: typeof Symbol.dispose = Symbol.dispose ?? (Symbol.for('Symbol.dispose') as never)

/**
 * One socket, owned, with explicit control over system calls and errors; after Bitcoin Core's `util/sock.h`.
 *
 * The primitives are one system call each. They answer a count, or the negative errno of a transient error
 * (`ioErrorIsPermanent`), and throw a SockError for a permanent one. `wait` and the algorithms give promises and have
 * `…Sync` twins, which block the thread: for workers and command-line tools.
 *
 * A Sock that was closed or gave its descriptor away is *empty*: every operation says `ERR_SOCK_EMPTY`, but `close`,
 * `reset` and dispose, which do nothing, and `isConnected`. All calls are for one JavaScript thread. Two algorithms of
 * the same direction at once mix their bytes: await the first.
 *
 * To make a kind of Sock, implement the `sys…` calls and a {@link SockHost}. A `sys…` call is only made on a Sock that
 * is not empty and with checked arguments, must not throw or block (but on a blocking descriptor), and answers 0 or
 * more, or a negative errno of any kind.
 */
export abstract class Sock implements Releasable, Disposable {
  /** Where its descriptor lives. */
  protected readonly host: SockHost
  #descriptor: Descriptor | undefined
  #lastError = 0

  /**
   * Takes ownership of `fd`.
   *
   * @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` for what cannot be a descriptor; not taken then
   */
  protected constructor(host: SockHost, fd: number) {
    checkInteger('fd', fd, 0, 2 ** 31 - 1)
    this.host = host
    this.#own(new Descriptor(host, fd))
  }

  // Ownership.

  /** The descriptor's number while it is owned, -1 when empty. It stays this Sock's: do not close it. */
  get fd(): number {
    return this.#descriptor?.fd ?? -1
  }

  /** Whether it owns nothing. */
  get empty(): boolean {
    return this.#descriptor === undefined
  }

  /**
   * Gives the descriptor to the caller and leaves this Sock empty.
   *
   * @throws SockError `ERR_SOCK_EMPTY`; `ERR_SOCK_BUSY` while a wait is under way
   */
  release(): number {
    return this.#giveAway().release()
  }

  /** Closes the descriptor and leaves this Sock empty; a wait under way ends first, at once. Again: harmless. */
  close(): void {
    const descriptor = this.#descriptor
    if (!descriptor) return
    this.#descriptor = undefined
    unguard(descriptor)
    descriptor.close()
  }

  /** The same as `close`, under upstream's name. */
  reset(): void {
    this.close()
  }

  [dispose](): void {
    this.close()
  }

  /**
   * Closes its own descriptor and takes the other's, which is left empty. Itself: harmless.
   *
   * @throws SockError `ERR_SOCK_EMPTY` and `ERR_SOCK_BUSY` about `other`, `ERR_INVALID_ARG_VALUE` for a Sock of another
   *   kind or host: nothing has changed then
   */
  assignFrom(other: this): void {
    if (other === this) return
    if (!isInstance(other, this.constructor as never) || other.host !== this.host) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'other', `a ${this.host.name} Sock`, other)
    }
    const descriptor = other.#giveAway()
    this.close()
    this.#own(descriptor)
    this.sysTake(other)
  }

  // Primitives.

  /**
   * send(2) of `data` from `offset` on. SIGPIPE never kills: `MSG_NOSIGNAL` is always set. Nothing to send is 0,
   * without a system call.
   *
   * @returns the count, also less than given; -EAGAIN, -EINTR, -EINPROGRESS
   * @throws SockError `EPIPE`, `ECONNRESET` … permanent ones; `ERR_INVALID_ARG_TYPE`, also for detached memory
   */
  send(data: Uint8Array, flags = 0, offset = 0): number {
    this.#open('send')
    checkBytes('data', data)
    checkInteger('flags', flags, 0, 2 ** 31 - 1)
    const length = lengthOf(data)
    checkInteger('offset', offset, 0, length)
    if (offset === length) return 0
    return this.#answer(this.sysSend(data, offset, flags | MSG_NOSIGNAL), 'send')
  }

  /**
   * recv(2) of at most `length` bytes into the front of `buffer`; `MSG_PEEK` leaves them where they are.
   *
   * @returns the count, 0 at the end of the stream; -EAGAIN, -EINTR, -EINPROGRESS
   * @throws SockError `ECONNRESET` … permanent ones; `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` for a length of 0, whose
   *   answer could not be told from the end of the stream
   */
  recv(buffer: Uint8Array, flags = 0, length?: number): number {
    this.#open('recv')
    checkBytes('buffer', buffer)
    checkInteger('flags', flags, 0, 2 ** 31 - 1)
    const room = lengthOf(buffer)
    if (room === 0) throw invalidArgument('ERR_OUT_OF_RANGE', 'buffer.length', 'at least 1', room)
    const most = length === undefined ? room : checkInteger('length', length, 1, room)
    return this.#answer(this.sysRecv(buffer, most, flags), 'recv')
  }

  /**
   * connect(2). Non-blocking: -EINPROGRESS, then {@link SendEvent} tells the end, and `getSockOpt(SOL_SOCKET,
   * SO_ERROR)` how it went.
   *
   * @throws SockError `ECONNREFUSED` … with the address; `ERR_INVALID_ADDRESS`
   */
  connect(address: AddressInput): number {
    this.#open('connect')
    const to = SockAddr.from(address)
    return this.#answer(this.sysConnect(to), 'connect', to)
  }

  /** bind(2). @throws SockError `EADDRINUSE` … with the address; `ERR_INVALID_ADDRESS` */
  bind(address: AddressInput): number {
    this.#open('bind')
    const to = SockAddr.from(address)
    return this.#answer(this.sysBind(to), 'bind', to)
  }

  /** listen(2), for 0 to 65 535 pending connections, default 511. */
  listen(backlog = 511): number {
    this.#open('listen')
    checkInteger('backlog', backlog, 0, 65535)
    return this.#answer(this.sysListen(backlog), 'listen')
  }

  /**
   * accept4(2); the new Sock is non-blocking and close-on-exec.
   *
   * @returns it and the peer's address; -EAGAIN, -EINTR
   * @throws SockError `ECONNABORTED`, `EMFILE` …
   */
  accept(): Accepted<this> | number {
    this.#open('accept')
    const accepted = this.sysAccept()
    return typeof accepted === 'number' ? this.#answer(accepted, 'accept') : (accepted as Accepted<this>)
  }

  /**
   * getsockopt(2).
   *
   * @param value filled with the option for one that is no int
   * @returns the int, or how many bytes of `value` were filled
   */
  getSockOpt(level: number, name: number, value?: Uint8Array): number {
    this.#open('getsockopt')
    checkInteger('level', level, 0, 2 ** 31 - 1)
    checkInteger('name', name, 0, 2 ** 31 - 1)
    if (value !== undefined) {
      checkBytes('value', value)
      return this.#answer(this.sysGetSockOpt(level, name, value), 'getsockopt')
    }
    const int = new Int32Array(1)
    const bytes = new Uint8Array(int.buffer)
    const result = this.#answer(this.sysGetSockOpt(level, name, bytes), 'getsockopt')
    return result < 0 ? result : int[0]!
  }

  /** setsockopt(2), of an int, a boolean (1 or 0) or the bytes of a struct. */
  setSockOpt(level: number, name: number, value: number | boolean | Uint8Array): number {
    this.#open('setsockopt')
    checkInteger('level', level, 0, 2 ** 31 - 1)
    checkInteger('name', name, 0, 2 ** 31 - 1)
    return this.#answer(this.sysSetSockOpt(level, name, optionBytes(value)), 'setsockopt')
  }

  /** getsockname(2): our address. */
  getSockName(): SockAddr {
    return this.#address(this.sysGetSockName, 'getsockname')
  }

  /** getpeername(2): the peer's address. @throws SockError `ENOTCONN` … */
  getPeerName(): SockAddr {
    return this.#address(this.sysGetPeerName, 'getpeername')
  }

  /** fcntl(2) with `O_NONBLOCK`; there is no way back, as upstream. A Sock from `create`, `pair` or `accept` has it. */
  setNonBlocking(): number {
    this.#open('fcntl')
    return this.#answer(this.sysSetNonBlocking(), 'fcntl')
  }

  /** shutdown(2): `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`. */
  shutdown(how: number): number {
    this.#open('shutdown')
    checkInteger('how', how, 0, 2)
    return this.#answer(this.sysShutdown(how), 'shutdown')
  }

  /** Whether this backend can wait for it: false for a descriptor at or beyond select(2)'s `FD_SETSIZE`. */
  isSelectable(): boolean {
    this.#open('isSelectable')
    return this.sysIsSelectable()
  }

  /** The positive errno of the last call on this Sock that failed, 0 before. */
  get lastSocketError(): number {
    return this.#lastError
  }

  // Waiting.

  /** The clock of every timeout: ms, monotonic. */
  now(): number {
    return this.host.now()
  }

  /**
   * Waits until one of `events` occurs, at most `timeout` ms (Infinity included). Closing the Sock meanwhile ends it
   * with {@link ErrorEvent}.
   *
   * @returns the events that occurred, 0 after the timeout. `ErrorEvent` needs no asking
   * @throws SockError `ABORT_ERR`, `ERR_OUT_OF_RANGE`; what the mechanism says (`ERR_FD_NOT_SELECTABLE`)
   */
  async wait(timeout: number, events: number, options?: WaitOptions): Promise<number> {
    const request = this.#single('wait', events)
    await waitOrThrow(this.host, [request], checkTimeout('timeout', timeout), resolveWaitOptions(options))
    return request.occurred
  }

  /** The same, blocking the thread; a ThreadInterrupt as `signal` ends it from another thread. */
  waitSync(timeout: number, events: number, options?: WaitOptions): number {
    const request = this.#single('waitSync', events)
    waitOrThrowSync(this.host, [request], checkTimeout('timeout', timeout), resolveWaitOptions(options))
    return request.occurred
  }

  /**
   * Waits for many Socks on one timeout, by the mechanism of this one, which need not be among them. No descriptor of
   * theirs is closed or reused before it is over.
   *
   * @returns how many have an event; `occurred` is set in each
   * @throws SockError as `wait`; `ERR_SOCK_EMPTY`; `ERR_INVALID_ARG_VALUE` for a Sock of another host
   */
  async waitMany(eventsPerSock: EventsPerSock, timeout: number, options?: WaitOptions): Promise<number> {
    const requests = this.#requests('waitMany', eventsPerSock)
    await waitOrThrow(this.host, requests, checkTimeout('timeout', timeout), resolveWaitOptions(options))
    return report(requests, eventsPerSock)
  }

  /** The same, blocking the thread. */
  waitManySync(eventsPerSock: EventsPerSock, timeout: number, options?: WaitOptions): number {
    const requests = this.#requests('waitManySync', eventsPerSock)
    waitOrThrowSync(this.host, requests, checkTimeout('timeout', timeout), resolveWaitOptions(options))
    return report(requests, eventsPerSock)
  }

  // Algorithms.

  /**
   * Sends all of `data`, a string as UTF-8: retries after transient errors, waits for room. Do not edit `data` meanwhile.
   *
   * @throws SockError with `bytesSent`: `ERR_SOCK_TIMEOUT`, `ABORT_ERR`, `ERR_SOCK_EMPTY` (closed meanwhile), or the
   *   permanent error of send(2); deadline and signal count after every send that did not finish
   */
  async sendComplete(data: Uint8Array | string, options?: SendCompleteOptions): Promise<void> {
    const resolved = resolveSendCompleteOptions(options)
    await this.#drive(sendComplete(this, this.#bytes(data), resolved), resolved.stop)
  }

  /** The same, blocking the thread. */
  sendCompleteSync(data: Uint8Array | string, options?: SendCompleteOptions): void {
    const resolved = resolveSendCompleteOptions(options)
    this.#driveSync(sendComplete(this, this.#bytes(data), resolved), resolved.stop)
  }

  /**
   * Reads through the first `terminator` (a byte) and never one byte beyond; returns at once when it is found.
   *
   * @returns what came before it, in memory of its own
   * @throws SockError with `received`, the bytes consumed: `ERR_SOCK_MAX_DATA`, `ERR_SOCK_EOF`, `ERR_SOCK_TIMEOUT`,
   *   `ABORT_ERR`, `ERR_SOCK_EMPTY` (closed meanwhile), `ERR_SOCK_PEEK` (another reader interfered),
   *   `ERR_INVALID_UTF8`, or the permanent error of recv(2)
   */
  recvUntilTerminator(
    terminator: number,
    options: RecvUntilTerminatorOptions & { encoding: 'utf8' },
  ): Promise<string>
  recvUntilTerminator(
    terminator: number,
    options?: RecvUntilTerminatorOptions & { encoding?: never },
  ): Promise<Uint8Array>
  async recvUntilTerminator(
    terminator: number,
    options?: RecvUntilTerminatorOptions,
  ): Promise<Uint8Array | string> {
    const resolved = resolveRecvOptions(options)
    this.#open('recvUntilTerminator')
    checkInteger('terminator', terminator, 0, 255)
    const bytes = await this.#drive(recvUntilTerminator(this, terminator, resolved), resolved.stop)
    return resolved.text ? decode(bytes) : bytes
  }

  /** The same, blocking the thread. */
  recvUntilTerminatorSync(
    terminator: number,
    options: RecvUntilTerminatorOptions & { encoding: 'utf8' },
  ): string
  recvUntilTerminatorSync(
    terminator: number,
    options?: RecvUntilTerminatorOptions & { encoding?: never },
  ): Uint8Array
  recvUntilTerminatorSync(terminator: number, options?: RecvUntilTerminatorOptions): Uint8Array | string {
    const resolved = resolveRecvOptions(options)
    this.#open('recvUntilTerminatorSync')
    checkInteger('terminator', terminator, 0, 255)
    const bytes = this.#driveSync(recvUntilTerminator(this, terminator, resolved), resolved.stop)
    return resolved.text ? decode(bytes) : bytes
  }

  /** Peeks one byte: consumes nothing, never blocks, never throws. Transient errors count as connected. */
  isConnected(): ConnectedResult {
    if (this.empty) return { connected: false, reason: 'not connected' }
    const result = this.sysRecv(new Uint8Array(1), 1, MSG_PEEK | MSG_DONTWAIT)
    if (result < 0) this.#lastError = -result
    if (result === 0) return { connected: false, reason: 'closed' }
    if (result > 0 || !ioErrorIsPermanent(result)) return { connected: true }
    return { connected: false, reason: networkErrorString(result) }
  }

  // The seam: see the class. Each is one system call on `this.fd`.

  /** send(2) of `data` from `offset` (less than its length) on. Answers the count. */
  protected abstract sysSend(data: Uint8Array, offset: number, flags: number): number
  /** recv(2) of at most `length` (1 to `buffer.length`) bytes into the front of `buffer`. Answers the count. */
  protected abstract sysRecv(buffer: Uint8Array, length: number, flags: number): number
  /** connect(2). */
  protected abstract sysConnect(address: SockAddr): number
  /** bind(2). */
  protected abstract sysBind(address: SockAddr): number
  /** listen(2). */
  protected abstract sysListen(backlog: number): number
  /** accept4(2), non-blocking and close-on-exec. Answers a Sock of the same kind and host. */
  protected abstract sysAccept(): Accepted<Sock> | number
  /** getsockopt(2) into `value`. Answers how many bytes it is. */
  protected abstract sysGetSockOpt(level: number, name: number, value: Uint8Array): number
  /** setsockopt(2). */
  protected abstract sysSetSockOpt(level: number, name: number, value: Uint8Array): number
  /** getsockname(2); `SockAddr.unnamed` for a Unix socket without a name. */
  protected abstract sysGetSockName(): SockAddr | number
  /** getpeername(2). */
  protected abstract sysGetPeerName(): SockAddr | number
  /** fcntl(2). */
  protected abstract sysSetNonBlocking(): number
  /** shutdown(2). */
  protected abstract sysShutdown(how: number): number
  /** Whether the host can wait for it; overridden where a descriptor can be too large. */
  protected sysIsSelectable(): boolean {
    return true
  }
  /** This Sock just took the descriptor of `other`: takes what a subclass keeps beside it. */
  protected sysTake(_other: this): void {}

  // What the above share.

  #own(descriptor: Descriptor): void {
    this.#descriptor = descriptor
    guard(this, descriptor)
  }

  #giveAway(): Descriptor {
    const descriptor = this.#open('release')
    if (descriptor.busy) {
      const text = `a wait for descriptor ${descriptor.fd} is under way: await it, or abort it with its signal, first`
      throw new SockError(text, { code: 'ERR_SOCK_BUSY' })
    }
    this.#descriptor = undefined
    unguard(descriptor)
    return descriptor
  }

  #open(syscall: string): Descriptor {
    if (this.#descriptor) return this.#descriptor
    throw new SockError(`${syscall} on an empty Sock: it was closed, or gave its descriptor away`, {
      code: 'ERR_SOCK_EMPTY',
      syscall,
    })
  }

  #answer(result: number, syscall: string, address?: SockAddr): number {
    if (result >= 0) return result
    this.#lastError = -result
    if (ioErrorIsPermanent(result)) throw SockError.fromErrno(result, syscall, address?.where)
    return result
  }

  #address(call: () => SockAddr | number, syscall: string): SockAddr {
    this.#open(syscall)
    const result = call.call(this)
    if (typeof result !== 'number') return result
    this.#answer(result, syscall)
    throw SockError.fromErrno(result, syscall)
  }

  #bytes(data: unknown): Uint8Array {
    this.#open('sendComplete')
    if (typeof data === 'string') return new TextEncoder().encode(data)
    checkBytes('data', data)
    return data
  }

  #single(syscall: string, events: unknown): HeldRequest {
    const descriptor = this.#open(syscall)
    return {
      sock: this,
      fd: descriptor.fd,
      requested: checkEvents('events', events),
      occurred: 0,
      descriptor,
    }
  }

  #requests(syscall: string, eventsPerSock: EventsPerSock): HeldRequest[] {
    this.#open(syscall)
    if (!isMap(eventsPerSock)) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'eventsPerSock', 'a Map of Socks', eventsPerSock)
    }
    return Array.from(eventsPerSock, ([sock, events]) => {
      if (!isInstance(sock, Sock) || sock.host !== this.host) {
        const expected = `Socks of the same host, ${this.host.name}`
        throw invalidArgument('ERR_INVALID_ARG_VALUE', 'eventsPerSock', expected, sock)
      }
      return sock.#single(syscall, isRevoked(events) ? undefined : events?.requested)
    })
  }

  #drive<T>(steps: Steps<T>, stop: Stop): Promise<T> {
    const descriptor = this.#descriptor
    return drive(steps, async ({ events, timeout }) => {
      await waitFor(this.host, [this.#single('wait', events)], timeout, stop.signal)
      this.#same(descriptor)
    })
  }

  #driveSync<T>(steps: Steps<T>, stop: Stop): T {
    const descriptor = this.#descriptor
    return driveSync(steps, ({ events, timeout }) => {
      waitForSync(this.host, [this.#single('wait', events)], timeout, stop.interrupt)
      this.#same(descriptor)
    })
  }

  /** An algorithm that was begun on a descriptor does not go on with another. */
  #same(before: Descriptor | undefined): void {
    if (this.#descriptor === before) return
    throw new SockError('the Sock was closed, or assigned another descriptor, meanwhile', {
      code: 'ERR_SOCK_EMPTY',
    })
  }
}

function optionBytes(value: number | boolean | Uint8Array): Uint8Array {
  if (typeof value === 'object') {
    checkBytes('value', value)
    return value
  }
  const int = checkInteger(
    'value',
    typeof value === 'boolean' ? Number(value) : value,
    -(2 ** 31),
    2 ** 31 - 1,
  )
  return new Uint8Array(new Int32Array([int]).buffer)
}

/** Tells the owner of the map what came of it. Returns how many have an event. */
function report(requests: readonly HeldRequest[], eventsPerSock: EventsPerSock): number {
  let ready = 0
  for (const { sock, occurred } of requests) {
    const events = eventsPerSock.get(sock)
    if (events && !Reflect.set(events, 'occurred', occurred))
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'eventsPerSock', 'of objects that can be written', events)
    if (occurred !== 0) ready++
  }
  return ready
}
