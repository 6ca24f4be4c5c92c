import type { SockAddr } from '@sockman/core'

/** Most bytes that wait for one peer to read them: `sendQueueMax` of a SockMan by default. */
export const SEND_QUEUE_MAX = 64 * 1024 * 1024

/** A peer does not read: what was to be sent was not taken. */
export class SendQueueFull extends Error {
  override readonly name = 'SendQueueFull'

  constructor() {
    super('the peer does not read what it is sent: the send queue is full')
  }
}

/** What a transport tells about one outbound connection; never called from within `connect`. */
export interface ConnectionEvents {
  onOpen(): void
  /** Borrowed: valid until the callback returns. */
  onData(chunk: Uint8Array): void
  /** The end, once: refused, reset, or the peer's end of stream. Not after our own `close`. */
  onClose(reason: string): void
}

/**
 * What the scenarios need of a row and no more, so that they run the same code over every row.
 *
 * @typeParam C names a connection: whatever costs the row least
 */
export interface Transport<C = unknown> {
  /** The row that really runs, as `parseBenchRow` reads it. */
  readonly row: string
  connect(address: SockAddr, events: ConnectionEvents): C
  /** Listens with `TCP_NODELAY`; `onData` gets each connection's bytes, borrowed. */
  listen(address: SockAddr, onData: (connection: C, chunk: Uint8Array) => void): Promise<SockAddr>
  /** Takes `data` as a whole; the caller may reuse it. @throws SendQueueFull */
  send(connection: C, data: Uint8Array): void
  close(connection: C): void
  /** Events handed to JavaScript, and the wake-ups they came in; undefined where the row does not count. */
  counters(): { events: number; wakeups: number } | undefined
  /** Closes everything. */
  stop(): Promise<void>
}
