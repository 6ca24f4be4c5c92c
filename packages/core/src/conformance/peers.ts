import type { Sock } from '../sock'
import type { Releasable } from '../sock-man'

/** What an address may be made of; `abstract` is a Unix socket without a file. */
export type PeerFamily = 'ipv4' | 'ipv6' | 'unix' | 'abstract'

/**
 * The other side of a connection: nothing of it is the SockMan under test. It reads only while one of the `receive`
 * calls is pending, so that a peer which never reads is a peer nobody asks to.
 */
export interface Peer {
  /** Its own address and that of the SockMan's end, in the text form of `SockAddr`; `'unix:'` on a Unix socket. */
  readonly local: string
  readonly remote: string
  /** Sends bytes and resolves when the kernel has them; rejects when the connection ends before. */
  send(data: Uint8Array): Promise<void>
  /** Sends each chunk with a write of its own, as fast as the kernel takes them. */
  sendEach(chunks: Iterable<Uint8Array>): Promise<void>
  /** Exactly `length` bytes; rejects, saying how many came, when the stream ends before. */
  receive(length: number): Promise<Buffer>
  /** Hands chunks on until `length` bytes (default: until the stream ends or breaks) and answers how many came. */
  receiveInto(sink: (chunk: Buffer) => void, length?: number): Promise<number>
  /** Ends its sending side; receiving goes on. */
  end(): Promise<void>
  /** Breaks the connection: RST on TCP; on a Unix socket a close. */
  reset(): void
  /** Closes in the ordinary way. */
  destroy(): void
  /** Resolves once its socket is gone, with the code of the error that ended it, if any. */
  readonly closed: Promise<string | undefined>
}

/** A listening peer. */
export interface PeerListener {
  readonly address: string
  /** The next connection, in the order of arrival. */
  accept(): Promise<Peer>
  close(): Promise<void>
}

/** What surrounds a SockMan in a case; an in-memory backend brings its own. One per case, which closes it. */
export interface PeerNetwork {
  /** The families that peers can speak here, the usual one first. */
  readonly families: readonly PeerFamily[]
  /** An address, and what connecting to it answers at once without any traffic leaving the machine. */
  readonly unreachable?: { readonly address: string; readonly code: string }
  /** Most bytes that the two kernels of a connection may hold between a sender and a receiver that does not read. */
  readonly capacity: number
  /** A second local IPv4 address, without port, to bind before connecting. */
  readonly otherHost?: string
  /** ms of the clock that connections live by, from some beginning. */
  now(): number
  /** ms since the Unix epoch by that clock. */
  date(): number
  /** Whether that is the machine's clock, so that other load can make anything late. `limit.ts` allows for it then. */
  readonly realTime?: boolean
  /** Resolves after `ms` of that clock. */
  sleep(ms: number): Promise<void>
  /** The file system that Unix paths are in. */
  readonly files: {
    /** Puts something there that is no live socket. */
    occupy(path: string): void
    exists(path: string): boolean
  }
  /** A connected socket that the SockMan can adopt here, in this process, and its other end. */
  adoptable?(): Promise<{ sock: Sock; peer: Peer }>
  /** A listening one. */
  adoptableListener?(): { sock: Sock; address: string }
  /** What can be released but is no socket, and whether its adopter has closed it. */
  noSocket?(): { sock: Releasable; closed(): boolean }
  /** More about what happened, for the message of a case that failed. */
  report?(): string
  /** A free address of a family (default the first) to listen on: port 0 for IP. */
  address(family?: PeerFamily): string
  /** A connected peer. */
  connect(address: string): Promise<Peer>
  /** Listens on a free address of a family (default the first). */
  listen(family?: PeerFamily): Promise<PeerListener>
  /** An address of a family on which nobody listens. */
  refusing(family?: PeerFamily): Promise<string>
  /** An address on which a connect is never answered. */
  silent(): Promise<string>
  /** Ends every peer and listener and resolves when their sockets are gone. */
  close(): Promise<void>
}
