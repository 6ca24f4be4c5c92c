/** What the other side of the connections is told to do, wherever it lives. */
export interface Peers {
  /** Where it listens. */
  open(): Promise<PeerAddresses>
  /** Connects to these addresses, again and again, instead of to those it was told before. */
  visit(addresses: readonly string[]): void
  /** Opens no more, ends what stays open and reads what is left of it; answers what every connection has met. */
  finish(): Promise<PeerReport[]>
  /** Lets it stand still for `ms`, where it can. */
  freeze?(ms: number): void
  /** Ends without a word, in the middle of everything, where it can. */
  kill?(): void
  /** Ends and resolves when nothing of it is left. */
  close(): Promise<void>
}

export interface PeerAddresses {
  /** Listeners that accept, each with its own ways. */
  readonly listening: readonly string[]
  /** Where nobody listens. */
  readonly refusing: readonly string[]
  /** Where nobody answers. */
  readonly silent: string
}

/** How a peer ends its connection. */
export const ENDS = ['fin', 'reset', 'close', 'fin, then reset', 'stay'] as const
export type End = (typeof ENDS)[number]

/** What one connection of a peer has met. */
export interface PeerReport {
  /** The key of the stream it sends. */
  readonly key: number
  /** Its own address and that of the SockMan's end. */
  readonly local: string
  readonly remote: string
  /** How it was to end; 'stay' ends with a FIN when it is told to finish. */
  readonly end: End
  /** ms after which it ends, whatever it has sent by then. */
  readonly after?: number
  /** How it reads. */
  readonly read: string
  /** Bytes it has sent, all of them when it has `ended`. */
  sent: number
  /** Its side was ended in the ordinary way, after all was sent. */
  ended: boolean
  /** The key of the stream it received, unless less than a header came. */
  from?: number
  received: number
  /** That stream ended in the ordinary way. */
  sawEnd: boolean
  /** What was wrong with that stream. */
  fault?: string
  /** The error that ended the connection. */
  code?: string
}
