import type { Backend } from '../backend'
import type { SockFactory } from '../sock/factory'

/** Who moves the time of a {@link MemoryNetwork}. */
export type ClockMode = 'virtual' | 'auto' | 'real'

export interface MemoryNetworkOptions {
  /** Decides every latency, chunk length and short write: the same seed and the same calls give the same events. An integer of 32 bits, default 1. */
  seed?: number | undefined
  /**
   * - `'virtual'`, the default: time stands still but for {@link MemoryNetwork.advance}, {@link MemoryNetwork.run} and the
   *   `…Sync` waits of Socks;
   * - `'auto'`: virtual too, but it runs by itself, and jumps to what is scheduled next once the program has been idle for
   *   a few turns of the event loop: waiting five seconds takes no time. It cannot know of files, other sockets or timers
   *   that the program waits for, and does not wait with it;
   * - `'real'`: that of the machine.
   */
  clock?: ClockMode | undefined
  /** From host to host one way, ms, or a range that each segment takes its own from; never out of order within a connection. Default `[1, 10]`. Inside a host it is 0.01 to 0.1. */
  latency?: number | readonly [min: number, max: number] | undefined
  /** Between two hosts and in each direction, bytes per second, shared by their connections; default `Infinity`. Inside a host there is no limit. */
  bandwidth?: number | undefined
  /** What the sender's kernel holds per connection, bytes, 1 to 16 Mi, default 16 Ki. */
  sendBuffer?: number | undefined
  /** What the receiver's kernel holds per connection, in flight included, bytes, 1 to 16 Mi, default 16 Ki. */
  receiveBuffer?: number | undefined
  /** Length of what one receive gives, bytes, or a range: 1 delivers byte by byte. Default `[1, 65536]`, each order of magnitude as likely as the others. */
  chunk?: number | readonly [min: number, max: number] | undefined
  /**
   * What a connect to an address of no host meets: `'silence'`, the default, as most of the Internet answers for the dead,
   * so that it ends with `ETIMEDOUT`; `'error'`: a router that says `EHOSTUNREACH`, one round trip later.
   */
  unreachable?: 'silence' | 'error' | undefined
  /** How many of the last events {@link MemoryNetwork.trace} keeps, 0 to 1 Mi, default 1 000. */
  trace?: number | undefined
}

/** One thing that happened on the network. */
export interface TraceEvent {
  /** As {@link MemoryNetwork.now}. */
  readonly time: number
  /**
   * `listen`; `connect` (asked), `established` (accepted by the kernel of the other side), `refused`, `dropped`
   * (a full backlog, nobody there); `write` and `read` (a SockMan's or Sock's calls, with how much they got), `segment`
   * (left), `arrive`; `fin` and `rst` (left), `close`; `partition`, `heal`.
   */
  readonly kind: TraceKind
  /** Who did it, in `SockAddr`'s text form (for `partition` and `heal` a host's first address); `''` when it has none. */
  readonly from: string
  /** The other side, or `''`. */
  readonly to: string
  readonly bytes: number
}

export type TraceKind =
  | 'listen'
  | 'connect'
  | 'established'
  | 'refused'
  | 'dropped'
  | 'write'
  | 'read'
  | 'segment'
  | 'arrive'
  | 'fin'
  | 'rst'
  | 'close'
  | 'partition'
  | 'heal'

/** Names a timer of {@link MemoryNetwork.setTimeout}. */
export type MemoryTimer = object

/**
 * Hosts that only exist in this process, and the network between them; see {@link createMemoryNetwork}.
 *
 * Idle listeners and connections do not keep the process alive, since nothing from outside can ever reach them: `ref` and
 * `unref` of a SockMan change nothing. With `'virtual'` nothing does; with `'auto'` what is scheduled does, which takes no
 * time; with `'real'` what is on its way does, time limits and timers do not.
 */
export interface MemoryNetwork {
  readonly seed: number

  /**
   * The host with those IP addresses (no port): a new one, or the one that has them. Without any it gets the next free of
   * `10.0.0.1`, `10.0.0.2` …. Each host has 127.0.0.0/8, `::1`, Unix paths and abstract names of its own besides.
   *
   * @throws SockError `ERR_INVALID_ADDRESS`; `ERR_INVALID_ARG_VALUE` when one belongs to another host, or is a loopback or
   *   wildcard address
   */
  host(...addresses: string[]): MemoryHost

  /** ms since the network was made, by its own clock; not always whole. */
  now(): number

  /**
   * Lets `ms` pass, and happen what is due meanwhile, batch by batch: after each there is a turn of the event loop, so
   * that microtasks, immediates and what they start come in between. Calls queue up. With another clock than `'virtual'`
   * it is {@link MemoryNetwork.sleep}.
   *
   * @throws SockError `ERR_OUT_OF_RANGE`
   */
  advance(ms: number): Promise<void>

  /**
   * Lets time pass until nothing is scheduled: no byte in flight, no time limit, no timer. With another clock than
   * `'virtual'` it waits for that moment.
   *
   * @param options.limit scheduled things that may happen meanwhile, default 10 000 000
   * @throws SockError `ERR_RUN_LIMIT` when they never end, such as a ping timer that is set again and again
   */
  run(options?: { limit?: number }): Promise<void>

  /** A timer of this network's clock, for protocol code that is given its timers. Its callback is a batch of its own. */
  setTimeout(callback: () => void, ms: number): MemoryTimer
  clearTimeout(timer: MemoryTimer | undefined): void
  /** Resolves `ms` later by this network's clock; with `'virtual'`, somebody has to advance it. */
  sleep(ms: number): Promise<void>

  /**
   * Cuts `a` off from `b`, or, without `b`, from every other host. What is under way and what follows waits, as TCP
   * retransmits, and arrives once healed; a connect meanwhile meets silence. Nothing else tells the two sides.
   */
  partition(a: MemoryHost, b?: MemoryHost): void
  /** Undoes partitions: of `a` and `b`, of `a` and everyone, or all. */
  heal(a?: MemoryHost, b?: MemoryHost): void

  /** The last events, oldest first. */
  trace(): TraceEvent[]
  /** The seed, the time, and the last `count` (default 40) events, a line each: for the message of a test that failed. */
  report(count?: number): string
}

/**
 * A host of a {@link MemoryNetwork}: a `Backend` whose SockMans have its addresses. Several SockMans share it as processes
 * share a machine.
 *
 * What differs from a native backend: `poison` is on by default, and views lie at odd offsets of a shared buffer; nothing is
 * ever resolved or received but when the clock moves; `stop()` needs no clock; a peer that is gone without a word is never
 * noticed (`keepAlive`, `userTimeout`).
 */
export interface MemoryHost extends Backend {
  readonly name: 'memory'
  readonly network: MemoryNetwork
  /** Its IP addresses, loopback left out; the first of a family is the source of its connects. */
  readonly addresses: readonly string[]
  /**
   * Socks of this host, always non-blocking. They share its addresses with its SockMans, and only those can `adopt` them.
   *
   * Waits that have to wait end when the clock moves; what has occurred already, a timeout of 0 and a close need no clock.
   * A `…Sync` wait blocks the program, not the network: the clock goes on by itself, also a `'virtual'` one, while handlers,
   * timers and other waits stand still until it is over. Where nothing could ever end it, it throws `ERR_SOCK_DEADLOCK`.
   *
   * The two ends of `pair()` send and receive all that there is room for; a connection's count is a seeded part of it.
   * Options: `SO_ERROR`, `SO_TYPE`, `SO_ACCEPTCONN`, `SO_SNDBUF` and `SO_RCVBUF` (those of the network) to read;
   * `SO_LINGER`, `SO_REUSEPORT`, `IPV6_V6ONLY`; `SO_REUSEADDR`, `SO_KEEPALIVE` and `TCP_NODELAY`, which are kept and change
   * nothing; any other is `ENOPROTOOPT`. A Unix path stays in `files` after its Sock is closed (unix(7)). A Sock that is
   * dropped unclosed stays open as long as the network.
   */
  readonly socks: SockFactory
  /** Paths in its file system that are no live socket, such as one a crash left behind: `listen` there is `EADDRINUSE`. */
  readonly files: Set<string>
}
