import type { SockAddr } from '@sockman/core'
import type { Verify } from '../wire/framing'
import type { Peer } from './peer'

/** A block asked for. */
export interface Request {
  /** Position in the whole download, laps included. */
  readonly index: number
  readonly hash: Buffer
  /** Length of its `block` message, header included; known only where the server is ours. */
  readonly size: number | undefined
  /** When `getdata` left, ms of `performance.now()`. */
  sentAt: number
}

/** Whom a peer tells. */
export interface PeerOwner {
  onReady(peer: Peer): void
  onHeaders(peer: Peer, headers: Uint8Array[]): void
  /** A requested block is complete and verified. @param length of its payload, bytes */
  onBlock(peer: Peer, request: Request, length: number): void
  /** A chunk has been worked off: the time to ask for more. @param bytes of the chunk */
  onChunk(peer: Peer, bytes: number): void
  /** The end; `peer.inFlight` is what it still owed. */
  onDropped(peer: Peer, reason: string): void
}

export interface PeerOptions {
  /** For messages about it. */
  readonly name: string
  readonly address: SockAddr
  readonly magic: number
  readonly verify: Verify
  /**
   * ms for whatever the peer owes: handshake, headers, each block from the moment at which it is the next, the rest of any
   * message begun. Single bytes of it give no more time.
   */
  readonly stallTimeout: number
}
