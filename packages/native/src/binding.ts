import type { AddressFamily } from '@sockman/core'

/**
 * How a rehearsal ended: the call kills with this signal; it had not returned after so many ms; there was no child, for
 * this call failed with this errno.
 */
export type Rehearsed = readonly [end: 'killed' | 'stalled' | 'untried', call: string, number: number]

/** What an addon exports: `addon.h` in TypeScript. Failures throw errors as in `failure.ts`. */
export interface Addon {
  /** Whether libuv's symbols are there and the engine can be watched by Node's loop. */
  readonly inlineAvailable: boolean
  /** Versions of what the engine is built with, by name. */
  readonly libraries: Readonly<Record<string, string>>
  /** Makes the mechanism's calls in a child, where they cannot hurt; undefined when nothing is to be feared: `rehearsal.h`. */
  readonly rehearse: () => Rehearsed | undefined
  readonly sock: SockCalls
  readonly SockHost: new (deliver: () => void, inWorker: boolean) => NativeHost
  readonly Engine: new (
    deliver: (most?: number) => number,
    inline: boolean,
    receiveBlock: number,
    receivePool: number,
    receivePoolMax: number,
    receiveWindow: number,
    maxConnections: number,
    corkSize: number,
    batchLimit: number,
    receiveRate: number,
    sendRate: number,
  ) => NativeEngine
}

/**
 * The primitives of a Sock, `sock_calls.h`: one system call each. They answer a count, 0 or a descriptor, or a negative
 * errno; buffers without memory are -EFAULT. They throw nothing.
 */
export interface SockCalls {
  socket(family: AddressFamily): number
  socketPair(): readonly [number, number] | number
  /** 0 for an open socket. */
  check(fd: number): number
  send(fd: number, data: Uint8Array, offset: number, flags: number): number
  recv(fd: number, buffer: Uint8Array, length: number, flags: number): number
  connect(fd: number, address: string): number
  bind(fd: number, address: string): number
  listen(fd: number, backlog: number): number
  accept(fd: number): readonly [fd: number, them: string] | number
  getSockOpt(fd: number, level: number, name: number, value: Uint8Array): number
  setSockOpt(fd: number, level: number, name: number, value: Uint8Array): number
  getSockName(fd: number): string | number
  getPeerName(fd: number): string | number
  setNonBlocking(fd: number): number
  shutdown(fd: number, how: number): number
  /** An eventfd(2). */
  openBell(): number
  ringBell(fd: number): number
  clearBell(fd: number): number
}

/** Waits, and what Socks own: `sock_host.h`. Requests are [descriptor, events] in turn, timeouts ms. */
export interface NativeHost {
  /** ms of a monotonic clock. */
  now(): number
  /** Starts a wait and answers its token. Throws errors as in `failure.ts`. */
  begin(requests: Int32Array, timeout: number): number
  cancel(token: number): void
  /** [token, count, what occurred to each request …] of all that have ended. */
  take(): Float64Array
  /** Blocks; writes what occurred over the events asked for. False: the bell rang, or JavaScript has to run for a moment. */
  waitSync(requests: Int32Array, timeout: number, bell: number): boolean
  own(fd: number): void
  disown(fd: number): void
  close(fd: number): number
  stop(): void
}

/** Option names and negative errnos of what could not be set, in turn. */
export type Warnings = readonly (string | number)[]
export type ListenResult = readonly [number: number, address: string, warnings: Warnings]
export type ConnectionResult = readonly [slot: number, warnings: Warnings]

/** As `binding.h` reads them: times in s, that of `userTimeout` in ms; -1 for what stays as it is. */
export type TcpOptions = readonly [
  noDelay: number,
  keepAlive: number,
  keepAliveInterval: number,
  keepAliveCount: number,
  userTimeout: number,
]

/** One engine with its loop and drive. Slots are 0 to 2^20 - 1, reused after `free`. */
export interface NativeEngine {
  /** See `event-ring.ts`. */
  readonly ringMemory: ArrayBuffer
  /** See `cork.ts`. */
  readonly cork: ArrayBuffer
  readonly details: Readonly<Record<string, string>>
  readonly receiveMemory: ArrayBuffer
  /** A new ArrayBuffer over the receive memory, for when that was taken away. */
  region(): ArrayBuffer

  listen(
    address: string,
    tcp: TcpOptions,
    backlog: number,
    reusePort: boolean,
    ipv6Only: boolean,
  ): ListenResult
  adoptListener(fd: number, tcp: TcpOptions): ListenResult
  closeListener(number: number): void
  freeListener(number: number): void

  /** Nothing is received before `start`. */
  connect(address: string, localAddress: string, timeout: number, tcp: TcpOptions): ConnectionResult
  /** As {@link connect}. */
  adopt(fd: number, tcp: TcpOptions): ConnectionResult
  /** Of the `accepted` record at this position of the ring; -1 when no slot is left, which its listener will tell. */
  admit(position: number, listener: number): number
  reject(position: number): void
  /** Lets sends go to the kernel directly from now on. */
  established(slot: number): readonly [me: string, them: string]
  /** Of an open connection. Throws the first that could not be set. */
  setOptions(slot: number, tcp: TcpOptions): void
  /** `which`: {@link Limit}; ms or bytes per second, 0 for none. */
  limit(slot: number, which: number, amount: number): void
  start(slot: number): void
  hold(slot: number): void
  resume(slot: number, deliveredBytes: number): void

  /** How many of the corked connections have something queued now. */
  flush(entries: number): number
  /** Bytes queued, or {@link SendResult}. `flags`: {@link SendFlag}. */
  send(slot: number, data: Uint8Array, flags: number): number
  /** Whether no borrowed buffer is left. */
  pump(slot: number): boolean
  queued(slot: number): number
  /** The same of all connections, those included that close with a flush. A queue that has failed counts no more. */
  queuedInAll(): number
  /** How many bytes the kernel has. */
  sent(slot: number): number
  /** Asks for a `drained` record once it has so many, or the queue is empty. Of several the last holds. */
  notify(slot: number, bytes: number): void
  /** What waits in lent buffers, and behind them, is sent no more. */
  abandon(slot: number): void

  shutdown(slot: number): void
  /** `flags`: {@link CloseFlag}. */
  close(slot: number, flags: number, timeout: number): void
  /** After the `closed` record: the slot may be given to another. Answers how many bytes were taken and never sent. */
  free(slot: number): number
  stop(): void
  join(): void
  dispose(): void

  wake(): void
  /** Asks for a batch from a call that is not inside of one. */
  ring(): void
  /** Asks for another batch from inside of one, after Node's loop has had its turn; false where there is no such loop. */
  ringLater(): boolean
  keepAlive(alive: boolean): void
  stats(): readonly [
    bytesReceived: number,
    chunksReceived: number,
    bytesSent: number,
    syscalls: number,
    wakeups: number,
    exhausted: number,
    pool: number,
    overflows: number,
    acceptErrors: number,
  ]
  connectionStats(
    slot: number,
  ): readonly [bytesReceived: number, bytesSent: number, lastReceive: number, lastSend: number]
}

export const SendFlag = { more: 1, borrow: 2 } as const
export const SendResult = { detached: -2 } as const
export const Limit = { idleTimeout: 0, receiveRate: 1, sendRate: 2 } as const
export const CloseFlag = { flush: 1, reset: 2 } as const
