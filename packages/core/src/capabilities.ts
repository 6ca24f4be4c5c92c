/** Who runs the engine: a network thread of its own, or Node's event loop on the JavaScript thread. */
export type Drive = 'thread' | 'inline'

/**
 * What a backend can do: immutable data, and the keys of `require`.
 * Where one of these is false the conformance suite runs the else-branch that pins down what happens instead.
 */
export interface Capabilities {
  /** The drives on offer, the default first. */
  readonly drives: readonly Drive[]
  /** Descriptors at or beyond it are refused with `ERR_FD_NOT_SELECTABLE` (C22); null where only the process's own limit counts. */
  readonly descriptorLimit: number | null
  /** `unix:/path` addresses. */
  readonly unixSockets: boolean
  /** `unix:@name` addresses. */
  readonly abstractUnix: boolean
  /** After `onEof` the owner can still send; `shutdown` keeps receiving. */
  readonly halfClose: boolean
  /** A reset on a paused connection is `onError` within 100 ms; else it is reported after `resume` (C36). */
  readonly resetWhilePaused: boolean
  /** A peer's close on a paused connection is noticed without reading. */
  readonly closeWhilePaused: boolean
  /** `onData` views are the memory that the kernel wrote. */
  readonly zeroCopyReceive: boolean
  /** Outside callbacks `send` reaches the kernel in the caller's thread. */
  readonly optimisticSend: boolean
  /** A Unix peer that closes with unread data shows as ECONNRESET (else as end of stream). */
  readonly unixReset: boolean
  /** A connection refused in `onAccepted` has had none of its bytes read. */
  readonly acceptFilterBeforeRead: boolean
  /** A descriptor that other code closed, while another process still holds it, costs nothing more; else the loop goes on waking for it (C39). */
  readonly foreignClose: boolean
  /** The `reusePort` option. */
  readonly reusePort: boolean
  /** Connections are descriptors of the process (false in memory). */
  readonly descriptors: boolean
  /** One request to the kernel serves many accepts or receives. */
  readonly multishot: boolean
  /** The kernel picks the receive buffer when data is there. */
  readonly providedBuffers: boolean
}
