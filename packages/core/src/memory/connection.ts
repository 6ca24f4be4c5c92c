import type { AbortWatch } from '../abort-watch'
import type { SockAddr } from '../address'
import { SockError } from '../errors'
import { Fifo } from '../fifo'
import type { ConnectionHandlers } from '../handlers'
import { FLUSH_TIMEOUT, type ResolvedLimits, type ResolvedSockManOptions } from '../options'
import { isReceiveMemory } from '../receive-memory'
import { aborted } from '../refusals'
import type { ConnectionId, ConnectionStats } from '../sock-man'
import { Bucket } from './bucket'
import { EAGAIN, type Endpoint, type EndpointOwner } from './endpoint'
import type { ReceiveBuffer } from './receive-buffer'
import type { Entry, Target } from './schedule'
import { SendQueue } from './send-queue'
import type { World } from './world'

/** Where an id is in its life. */
export const State = {
  connecting: 0,
  open: 1,
  /** `onError` was emitted: only `onClosed` may follow. */
  failed: 2,
  /** Closed by the owner: only `onClosed` follows. */
  closing: 3,
  /** Ended by the signal of its connect: `onConnectFailed` follows, and no call finds the id (C30). */
  aborted: 4,
  /** Its last event was emitted, or nobody wants to hear of it. */
  ended: 5,
} as const

/** Beyond so many that are not reached, the last of them is put off: no limit counts them. */
const MOST_MARKS = 1024
const EFAULT = -14
const ETIMEDOUT = -110

/** What a connection is told of by the clock. */
const Due = {
  /** The time for a connect, or for a flush, is over. */
  end: 0,
  idle: 1,
  /** A rate lets the connection receive, or send, again. */
  receive: 2,
  send: 3,
} as const

const MOST = Number.POSITIVE_INFINITY

type Flow = 'receive' | 'send'

/** The limits of rate, of a connection or of all of a SockMan. */
export type Rates = Record<Flow, Bucket | undefined>

/** What a connection needs of its SockMan. */
export interface ConnectionHome {
  readonly world: World
  readonly options: ResolvedSockManOptions
  readonly buffer: ReceiveBuffer
  readonly counts: Counts
  /** Of all together. */
  readonly rates: Rates
  /** It is looked at in the next batch. */
  enlist(connection: Connection): void
  /** It is flushed when the callback under way returns; false when none is. */
  cork(connection: Connection): boolean
  /** The id is at its end. */
  leave(connection: Connection, outcome: 'connectFailed' | 'closed', error?: SockError): void
  joined(connection: Connection, outcome: 'accepted' | 'connected'): void
  /** It has failed, and its owner is about to be told. */
  failed(connection: Connection, error: SockError): void
}

/** Totals of a SockMan. */
export interface Counts {
  accepted: number
  connected: number
  refused: number
  connectsFailed: number
  broken: number
  bytesReceived: number
  bytesSent: number
  chunksReceived: number
  sends: number
  syscalls: number
  wakeups: number
  events: number
  batches: number
}

/** One id of a SockMan, over its endpoint. */
export class Connection implements EndpointOwner, Target {
  readonly id: ConnectionId
  readonly endpoint: Endpoint
  state: number
  handlers: ConnectionHandlers
  /** It waits to be looked at. */
  listed = false
  corked = false
  /** Refused in `onAccepted`: nothing more is told of it (C24). */
  refused = false
  /** Of its connect, while that is pending. */
  watch: AbortWatch | undefined
  readonly #home: ConnectionHome
  #queue: SendQueue | undefined
  /** How many bytes the kernel is to have before `onSent` tells. */
  readonly #marks = new Fifo<number>()
  #paused = false
  #shutdown = false
  #awaitsReady = false
  #more = false
  #eof = false
  #flushing = false
  #reset = false
  #expired = false
  #deadline: Entry | undefined
  #unsent = 0
  #bytesReceived = 0
  #bytesSent = 0
  #lastReceive = 0
  #lastSend = 0
  readonly #rates: Rates = { receive: undefined, send: undefined }
  /** The number of the wait for a rate that each direction is in; 0 for none. */
  readonly #waits: Record<Flow, number> = { receive: 0, send: 0 }
  #lastWait = 0
  /** Whether the direction waits for the connection's own rate, not for its turn among all. */
  readonly #waitsForOwn: Record<Flow, boolean> = { receive: false, send: false }
  /** ms, 0 for no limit. */
  #idleTimeout = 0
  #idleDue = false
  /** Since when the connection counts as idle, where no byte has moved. */
  #idleSince = 0

  constructor(
    home: ConnectionHome,
    id: ConnectionId,
    endpoint: Endpoint,
    handlers: ConnectionHandlers,
    state: number,
  ) {
    this.#home = home
    this.id = id
    this.endpoint = endpoint
    this.state = state
    this.handlers = handlers
    endpoint.owner = this
  }

  get queuedBytes(): number {
    return this.state < State.failed ? (this.#queue?.bytes ?? 0) : 0
  }

  /** The same, with those of a flush: they wait to be sent, though no call finds the id. */
  get waitingBytes(): number {
    return this.state === State.closing && this.#flushing ? this.#unflushed : this.queuedBytes
  }

  get isShutdown(): boolean {
    return this.#shutdown
  }

  changed(): void {
    if (this.state === State.ended) return
    // What waits in the kernel of a paused connection is nobody's business, unless it broke.
    const owes = this.#awaitsReady || this.#marks.length > 0
    const quiet =
      this.#paused &&
      this.state === State.open &&
      this.endpoint.error === 0 &&
      this.queuedBytes === 0 &&
      !owes
    if (!quiet) this.#home.enlist(this)
  }

  /**
   * @param what of {@link Due}
   * @param wait the number of the wait that is over
   */
  happen(what: number = Due.end, wait = 0): boolean {
    if (what === Due.end) this.#expired = true
    if (what === Due.idle) this.#idleDue = true
    if (what === Due.receive || what === Due.send) {
      const flow = what === Due.receive ? 'receive' : 'send'
      if (this.#waits[flow] !== wait) return false
      this.#waits[flow] = 0
    }
    this.#home.enlist(this)
    return false
  }

  limit(ms: number, what: number = Due.end): void {
    this.#unlimit()
    const { clock } = this.#home.world
    this.#deadline = clock.limit(clock.now + ms, this, what)
  }

  #unlimit(): void {
    this.#home.world.clock.cancel(this.#deadline)
    this.#deadline = undefined
  }

  /** Runs code of the signal's owner, so nothing may be half done when it is called. */
  #unwatch(): void {
    const { watch } = this
    this.watch = undefined
    watch?.end()
  }

  // ---- Limits ----

  setLimits({ idleTimeout, receiveRate, sendRate }: ResolvedLimits = {}): void {
    const { now } = this.#home.world.clock
    if (receiveRate !== undefined) this.#setRate('receive', receiveRate, now)
    if (sendRate !== undefined) this.#setRate('send', sendRate, now)
    if (idleTimeout !== undefined) {
      this.#idleTimeout = idleTimeout
      if (this.state === State.open) this.awaitIdle()
    }
    this.#home.enlist(this)
  }

  /** What waits for the rate of before waits no more; a turn among all is kept, as a rate may be set again and again. */
  #setRate(flow: Flow, rate: number, now: number): void {
    this.#rates[flow] = Bucket.of(rate, now, this.#rates[flow])
    if (this.#waitsForOwn[flow]) this.#waits[flow] = 0
  }

  /** Bytes that may go in this direction now; with none the direction waits. */
  #mayGo(flow: Flow): number {
    const own = this.#rates[flow]
    const all = this.#home.rates[flow]
    if (!own && !all) return MOST
    if (this.#waits[flow] > 0) return 0
    const { clock } = this.#home.world
    const mine = own?.level(clock.now) ?? MOST
    const most = Math.min(mine, all?.level(clock.now) ?? MOST)
    if (most === 0) {
      this.#waits[flow] = ++this.#lastWait
      this.#waitsForOwn[flow] = mine === 0
      const at = (mine === 0 ? own! : all!).readyAt
      clock.post(at, this, flow === 'receive' ? Due.receive : Due.send, this.#waits[flow])
    }
    return most
  }

  #went(flow: Flow, bytes: number): void {
    this.#rates[flow]?.take(bytes)
    this.#home.rates[flow]?.take(bytes)
  }

  /** The time of being idle begins. */
  awaitIdle(): void {
    this.#idleDue = false
    this.#unlimit()
    this.#idleSince = this.#home.world.clock.now
    if (this.#idleTimeout > 0) this.limit(this.#idleTimeout, Due.idle)
  }

  /** The time is over; whether its owner was told. */
  #judgeIdle(): boolean {
    const { clock } = this.#home.world
    const moved = Math.max(this.#lastReceive, this.#lastSend) - clock.epoch
    const left = Math.max(moved, this.#idleSince) + this.#idleTimeout - clock.now
    this.#idleDue = false
    if (left > 0) {
      this.limit(left, Due.idle)
      return false
    }
    this.awaitIdle()
    // What this side does not take, or holds back itself, is no silence of the peer's.
    if (this.endpoint.available > 0 || this.#waits.send > 0) return false
    return this.handlers.idle(this.id) || this.#closeItself(false)
  }

  // ---- What the owner asks for ----

  send(data: Uint8Array, borrow: boolean, more: boolean, notify: boolean): boolean {
    const { copyThreshold, sendHighWater } = this.#home.options
    this.#home.counts.sends++
    const small = !borrow && data.length <= copyThreshold
    if (small && !notify && this.queuedBytes + data.length <= sendHighWater && this.#home.cork(this)) {
      this.#queueUp().copy(data, 0)
      this.#more = more
      return true
    }
    this.flush()
    this.#more = more
    const waits = this.state === State.connecting || this.queuedBytes > 0
    const taken = waits ? 0 : this.#write(data, 0, data.length)
    if (taken < data.length) {
      if (borrow && !isReceiveMemory(data.buffer)) this.#queueUp().borrow(data, taken)
      else this.#queueUp().copy(data, taken)
    }
    const room = this.queuedBytes <= sendHighWater
    if (!room || borrow) this.#awaitsReady = true
    if (notify) this.notify()
    if ((this.#awaitsReady && this.queuedBytes === 0) || this.endpoint.error !== 0) this.#home.enlist(this)
    return room
  }

  /** The kernel is to have what was sent by now before `onSent`. */
  notify(): void {
    this.flush()
    const mark = this.#bytesSent + this.queuedBytes
    if (this.#marks.length < MOST_MARKS) this.#marks.add(mark)
    else this.#marks.last = mark
    this.#home.enlist(this)
  }

  #queueUp(): SendQueue {
    this.#queue ??= new SendQueue()
    return this.#queue
  }

  /** Offers bytes to the kernel until it has no room; how many it took. */
  #write(data: Uint8Array, from: number, length: number): number {
    let taken = 0
    while (taken < length) {
      const most = this.#mayGo('send')
      if (most === 0) break
      const count = this.endpoint.write(data, from + taken, Math.min(most, length - taken), this.#more)
      this.#home.counts.syscalls++
      if (count <= 0) {
        // An adopted socket whose sending side has ended.
        if (count !== EAGAIN) this.endpoint.fail(count)
        break
      }
      taken += count
      this.#went('send', count)
    }
    if (taken > 0) {
      this.#bytesSent += taken
      this.#home.counts.bytesSent += taken
      this.#lastSend = this.#home.world.clock.now + this.#home.world.clock.epoch
    }
    return taken
  }

  /** What is queued goes to the kernel as far as it takes it; false when a borrowed buffer is gone. */
  flush(): boolean {
    if (this.state !== State.open && this.state !== State.closing) return true
    if (!this.endpoint.connected) return true
    if (this.#unflushed > 0 && !this.#queue!.drain((...part) => this.#write(...part))) return false
    if (this.#shutdown && this.#unflushed === 0) this.endpoint.shutdown()
    return true
  }

  get #unflushed(): number {
    return this.#queue?.bytes ?? 0
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#home.enlist(this)
  }

  shutdown(): void {
    if (this.#shutdown) return
    this.#shutdown = true
    if (!this.flush()) this.#home.enlist(this)
  }

  close({ flush, timeout, reset }: { flush: boolean; timeout: number; reset: boolean }): void {
    this.flush()
    this.#unlimit()
    if (this.state !== State.failed) this.#unsent = this.#unflushed
    const able = this.state === State.open || (this.state === State.connecting && this.#unsent > 0)
    this.#flushing = flush && able && this.endpoint.error === 0
    this.#reset = reset
    this.#expired = false
    this.state = State.closing
    if (this.#flushing) this.limit(timeout)
    else this.#leave()
    this.#home.enlist(this)
    this.#unwatch()
  }

  #leave(): void {
    if (this.#reset) this.endpoint.reset()
    else this.endpoint.close()
  }

  abort(): void {
    if (this.state !== State.connecting) return
    this.state = State.aborted
    this.#home.enlist(this)
  }

  // ---- What the batch does ----

  /** Delivers at most one event; whether it did. */
  visit(): boolean {
    switch (this.state) {
      case State.connecting:
        return this.#visitConnecting()
      case State.open:
        return this.#visitOpen()
      case State.closing:
        return this.#visitClosing()
      case State.aborted:
        return this.#failConnect(aborted(this.endpoint.them))
      default:
        return false
    }
  }

  #visitConnecting(): boolean {
    const { endpoint } = this
    if (endpoint.error !== 0) return this.#failConnect(connectError(endpoint.error, endpoint.them))
    if (!endpoint.connected) return this.#expired && this.#failConnect(connectError(ETIMEDOUT, endpoint.them))
    this.#unlimit()
    this.state = State.open
    this.#expired = false
    this.awaitIdle()
    this.#home.cork(this)
    this.#home.joined(this, 'connected')
    // A subscriber has closed it: only that is told.
    if ((this.state as number) !== State.open) return false
    try {
      this.handlers.connected(this.id, endpoint.me, endpoint.them)
    } finally {
      this.#unwatch()
    }
    return true
  }

  #failConnect(error: SockError): boolean {
    this.#unlimit()
    this.endpoint.close()
    this.state = State.ended
    this.#home.leave(this, 'connectFailed', error)
    try {
      this.handlers.connectFailed(this.id, error)
    } finally {
      this.#unwatch()
    }
    return true
  }

  #visitOpen(): boolean {
    const { endpoint } = this
    if (!this.flush()) return this.#fail(EFAULT, 'send')
    const told = this.#takeMarks()
    if (told) this.handlers.sent(this.id, this.#bytesSent)
    // Not after another `onSent`, which its handler may ask for each time.
    if (this.state === State.open && this.#awaitsReady && this.queuedBytes === 0) {
      this.#awaitsReady = false
      this.handlers.readyToSend(this.id)
      return true
    }
    if (told) return true
    const { available } = endpoint
    if (endpoint.error !== 0 && (this.#paused || available === 0)) {
      return this.#fail(endpoint.error, this.queuedBytes > 0 ? 'send' : 'recv')
    }
    if (!this.#paused && available > 0) {
      const most = this.#mayGo('receive')
      if (most > 0) {
        this.#receive(most)
        return true
      }
    }
    if (!this.#paused && !this.#eof && endpoint.atEnd) {
      this.#eof = true
      return this.handlers.eof(this.id) || this.#closeItself(true)
    }
    return this.#idleDue && this.#judgeIdle()
  }

  /** Whether the kernel has what an owner waits for. */
  #takeMarks(): boolean {
    const marks = this.#marks
    const waiting = marks.length
    while (marks.length > 0 && marks.first! <= this.#bytesSent) marks.take()
    return marks.length < waiting
  }

  #receive(most: number): void {
    const { buffer, counts, world } = this.#home
    const data = buffer.read(this.endpoint, most)
    this.#went('receive', data.length)
    counts.syscalls++
    counts.chunksReceived++
    counts.bytesReceived += data.length
    this.#bytesReceived += data.length
    this.#lastReceive = world.clock.now + world.clock.epoch
    try {
      this.handlers.data(this.id, data)
    } finally {
      buffer.spoil(data)
    }
  }

  #fail(errno: number, syscall: string): boolean {
    const { endpoint } = this
    this.#unsent = this.#unflushed
    const error = SockError.fromErrno(errno, syscall, endpoint.them.where, {
      undeliveredBytes: endpoint.available,
      unsentBytes: this.#unsent,
    })
    this.state = State.failed
    this.#unlimit()
    this.#queue = undefined
    this.#home.failed(this, error)
    // A subscriber may have closed it.
    if ((this.state as number) !== State.failed) return false
    return this.handlers.error(this.id, error) || this.#closeItself(false)
  }

  /** There was no handler to tell. */
  #closeItself(flush: boolean): false {
    this.close({ flush, timeout: FLUSH_TIMEOUT, reset: false })
    return false
  }

  #visitClosing(): boolean {
    if (this.#flushing) {
      if (!this.#lingered()) return false
      this.#leave()
    }
    this.#unlimit()
    this.state = State.ended
    this.#home.leave(this, 'closed')
    if (!this.refused) this.handlers.closed(this.id, this.#unsent)
    return true
  }

  /**
   * Goes on with a flush; whether it is over. What comes is dropped: left unread, it would make a reset of the close (C69),
   * and that takes from the peer what it has not read yet.
   */
  #lingered(): boolean {
    const { endpoint } = this
    endpoint.incoming?.discard()
    const able = this.flush()
    this.#unsent = this.#unflushed
    if (able && endpoint.connected && this.#unsent === 0) endpoint.shutdown()
    const lost = endpoint.error !== 0 || (this.#expired && this.#reset)
    if (lost) this.#unsent += endpoint.unacknowledged
    if (lost || !able || this.#expired) return true
    if (this.#unsent > 0 || !endpoint.atEnd) return false
    this.#reset = false // would take what is on its way, and end nothing
    return true
  }

  get unsentBytes(): number {
    return this.#unsent
  }

  stats(): ConnectionStats {
    return {
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      queuedBytes: this.queuedBytes,
      heldBytes: 0,
      paused: this.#paused,
      lastReceive: this.#lastReceive,
      lastSend: this.#lastSend,
    }
  }
}

function connectError(errno: number, them: SockAddr): SockError {
  return SockError.fromErrno(errno, 'connect', them.where)
}
