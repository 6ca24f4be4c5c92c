import type { ByteRing } from './byte-ring'
import type { Endpoint } from './endpoint'
import type { Route } from './route'
import type { Entry, Target } from './schedule'
import type { World } from './world'

/** What happens to a pipe. */
const SEGMENT = 0
const FIN = 1
const RST = 2
/** The receiver has room again, and the sender hears of it. */
const WINDOW = 3
/** `more` has waited long enough (tcp(7), `TCP_CORK`). */
const UNCORK = 4

/** A partial segment is less. */
const SEGMENT_SIZE = 1460
const CORK_MS = 200

/**
 * One direction of a connection: a stream of bytes with four positions. Those before `arrived` are in the receiver's buffer,
 * those before `departed` in flight, those before `written` in the sender's buffer.
 *
 * Positions are cumulative, as sequence numbers are: an arrival that overtakes another brings its bytes along.
 */
export class Pipe implements Target {
  readonly from: Endpoint
  readonly to: Endpoint
  read = 0
  arrived = 0
  departed = 0
  written = 0
  /** The receiver knows of the end of the stream. */
  finArrived = false
  readonly #world: World
  /** None in a Unix socket: there is no flight, and what is written has arrived. */
  readonly #route: Route | undefined
  readonly #back: Route | undefined
  readonly #bytes: ByteRing
  /** No arrival before it: the order of the stream. */
  #lastArrival = 0
  /** The sender was told that there is no room. */
  #blocked = false
  #ended = false
  #finSent = false
  #aborted = false
  #windowSent = false
  #taken = 0
  #acknowledged = 0
  #cork: Entry | undefined

  constructor(world: World, from: Endpoint, to: Endpoint, route: Route | undefined, back: Route | undefined) {
    this.#world = world
    this.from = from
    this.to = to
    this.#route = route
    this.#back = back
    this.#bytes = world.ring()
  }

  /** Bytes that can be read. */
  get available(): number {
    return this.arrived - this.read
  }

  /** Nothing can be read any more but the end. */
  get atEnd(): boolean {
    return this.finArrived && this.arrived === this.read
  }

  /** Bytes that were taken from the sender, and that no receiver has got. After a reset they are lost. */
  get unacknowledged(): number {
    return this.#taken - this.#acknowledged
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Whether there is room for a good part; if not, the sender is told once there is. */
  awaitRoom(): boolean {
    const room = 2 * (this.written - this.arrived) <= this.#world.sendBuffer
    this.#blocked ||= !room
    return room
  }

  /** Copies up to `length` of the available bytes to `into`. */
  peek(into: Uint8Array, at: number, length: number): void {
    this.#bytes.peek(into, at, length)
  }

  /** How much of it the sender's buffer takes, 0 when there is no room. */
  write(data: Uint8Array, from: number, length: number, more: boolean): number {
    const room = this.#world.sendBuffer - (this.written - this.arrived)
    const count = Math.min(room, length)
    this.#blocked = count < length
    if (count <= 0) return 0
    this.#bytes.push(data, from, count)
    this.written += count
    this.#taken += count
    if (!more) this.#uncork()
    else this.#cork ??= this.#world.clock.limit(this.#world.clock.now + CORK_MS, this, UNCORK)
    this.#push()
    return count
  }

  /** Moves up to `length` of the available bytes to `into`; opens the window. */
  take(into: Uint8Array, at: number, length: number): void {
    this.#bytes.shift(into, at, length)
    this.read += length
    const { receiveBuffer } = this.#world
    const waits = this.written > this.departed && !this.#windowSent && !this.#aborted
    if (!waits || 2 * (this.departed - this.read) > receiveBuffer) return
    if (!this.#back) return this.#push()
    this.#windowSent = true
    this.#back.send(this, WINDOW, 0, 0)
  }

  /** The sender sends no more. */
  end(): void {
    this.#ended = true
    this.#uncork()
    this.#push()
  }

  /** RST: what is not in flight is dropped. */
  abort(): void {
    if (this.#aborted) return
    this.stop()
    this.#world.note('rst', this.from.me, this.from.them, 0)
    this.#fly(RST, 0)
  }

  /** The receiver wants no more (`SHUT_RD`): what arrives all the same can be read. */
  refuse(): void {
    this.finArrived = true
    // A Unix socket tells its sender at once, TCP has no word for it.
    if (!this.#route) this.end()
  }

  /** Nothing leaves any more. */
  stop(): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#uncork()
    this.written = this.departed
    this.#bytes.truncate(this.departed - this.read)
  }

  /** The receiver is gone: its bytes too. */
  discard(): void {
    if (this.arrived > this.read)
      this.take(this.#world.scratch(this.arrived - this.read), 0, this.arrived - this.read)
  }

  /** The other direction begins after this. */
  notBefore(time: number): void {
    this.#lastArrival = time
  }

  happen(what: number, value: number): boolean {
    if (what === UNCORK) {
      this.#uncork()
      this.#push()
    } else if (what === WINDOW) {
      if (this.#back!.holds(this, what, value)) return false
      this.#windowSent = false
      this.#push()
    } else if (!this.#route!.holds(this, what, value)) {
      this.#arrive(what, value)
    }
    return false
  }

  #arrive(what: number, position: number): void {
    if (position > this.arrived) {
      this.#world.note('arrive', this.to.me, this.to.them, position - this.arrived)
      this.arrived = position
      this.#roomAgain()
    }
    if (what === FIN) this.finArrived = true
    if (this.to.closed) {
      // The kernel of a socket that is gone answers bytes with RST.
      if (what === RST) this.to.outgoing?.stop()
      else if (this.available > 0) this.to.outgoing?.abort()
      this.discard()
      return
    }
    this.#acknowledged = this.arrived
    if (what === RST) this.to.fail(-104)
    else this.to.changed()
  }

  /** The sender is told once there is room for a good part, not for each byte. */
  #roomAgain(): void {
    if (!this.#blocked || 2 * (this.written - this.arrived) > this.#world.sendBuffer) return
    this.#blocked = false
    this.from.changed()
  }

  #uncork(): void {
    this.#world.clock.cancel(this.#cork)
    this.#cork = undefined
  }

  /** Sends what the window allows, in segments of seeded sizes. */
  #push(): void {
    if (this.#aborted || this.#finSent) return
    const { random, receiveBuffer } = this.#world
    if (this.#cork && this.written - this.departed < SEGMENT_SIZE) return
    for (;;) {
      const most = Math.min(this.written - this.departed, receiveBuffer - (this.departed - this.read))
      if (most <= 0) break
      const size = most > 1 && random.below(4) === 0 ? 1 + random.below(most) : most
      this.departed += size
      this.#world.note('segment', this.from.me, this.from.them, size)
      this.#fly(SEGMENT, size)
    }
    if (!this.#ended || this.departed < this.written) return
    this.#finSent = true
    this.#world.note('fin', this.from.me, this.from.them, 0)
    this.#fly(FIN, 0)
  }

  /** What has just left, up to `departed`, is on its way. */
  #fly(what: number, bytes: number): void {
    if (this.#route) this.#lastArrival = this.#route.send(this, what, this.departed, bytes, this.#lastArrival)
    else this.#arrive(what, this.departed)
  }
}
