/** What an addon exports: `binding.h` in TypeScript. Failures throw errors as in `failure.ts`. */
export interface Addon {
  /** Whether libuv's symbols are there and the engine can be watched by Node's loop. */
  readonly inlineAvailable: boolean
  /** Versions of what the engine is built with, by name. */
  readonly libraries: Readonly<Record<string, string>>
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
  ) => NativeEngine
}

/** Option names and negative errnos of what could not be set, in turn. */
export type Warnings = readonly (string | number)[]
export type ListenResult = readonly [number: number, address: string, warnings: Warnings]
export type ConnectionResult = readonly [slot: number, warnings: Warnings]

/** One engine with its loop and drive. Slots are 0 to 2^20 - 1, reused after `free`. */
export interface NativeEngine {
  /** See `event-ring.ts`. */
  readonly ringMemory: ArrayBuffer
  /** See `cork.ts`. */
  readonly cork: ArrayBuffer
  readonly details: Readonly<Record<string, string>>
  /** A new ArrayBuffer over the receive memory. */
  region(): ArrayBuffer

  listen(
    address: string,
    noDelay: boolean,
    keepAlive: number,
    backlog: number,
    reusePort: boolean,
    ipv6Only: boolean,
  ): ListenResult
  adoptListener(fd: number): ListenResult
  closeListener(number: number): void
  freeListener(number: number): void

  connect(
    address: string,
    localAddress: string,
    timeout: number,
    noDelay: boolean,
    keepAlive: number,
  ): ConnectionResult
  adopt(fd: number, noDelay: boolean, keepAlive: number): ConnectionResult
  /** Of the `accepted` record at this position of the ring; -1 when no slot is left. */
  admit(position: number): number
  reject(position: number): void
  /** Lets sends go to the kernel directly from now on. */
  established(slot: number): readonly [me: string, them: string]
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

  shutdown(slot: number): void
  /** Unsent bytes that are not in the engine's queue. `flags`: {@link CloseFlag}. */
  close(slot: number, flags: number, timeout: number): number
  free(slot: number): void
  stop(): void
  join(): void
  dispose(): void

  wake(): void
  ring(): void
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
  ): readonly [bytesReceived: number, bytesSent: number, sinceReceive: number, sinceSend: number]
}

export const SendFlag = { more: 1, borrow: 2 } as const
export const SendResult = { freeAlready: -1, detached: -2 } as const
export const CloseFlag = { flush: 1, reset: 2 } as const
