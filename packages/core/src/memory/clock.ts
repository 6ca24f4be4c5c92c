import { invalidArgument, SockError } from '../errors'
import type { ThreadInterrupt } from '../interrupt'
import { isRevoked } from '../objects'
import type { ClockMode } from './memory-network'
import { type Entry, Schedule, type Target } from './schedule'
import { block, later, nextTurn, type Pending, throwUncaught, turn } from './turn'

/** Turns of the event loop without anything new, after which the program counts as idle. */
const IDLE_TURNS = 3
/** Of a virtual clock; a real one takes the machine's. */
const EPOCH = Date.UTC(2024, 0, 1)
const LIMIT = 10_000_000

/** Time, and what is scheduled for it. The mode says who moves it. */
export abstract class Clock {
  protected readonly schedule = new Schedule()

  static of(mode: ClockMode): Clock {
    if (mode === 'virtual') return new VirtualClock()
    return mode === 'auto' ? new AutoClock() : new RealClock()
  }

  /** ms since the Unix epoch at time 0. */
  readonly epoch: number = EPOCH
  /** ms since the beginning. */
  abstract readonly now: number
  abstract advance(ms: number): Promise<void>
  abstract run(limit?: number): Promise<void>
  /** Called after each addition. */
  protected abstract scheduled(at: number, holds: boolean): void
  /** Where time is not the machine's, it goes to `at`. */
  protected abstract moveTo(at: number): void

  /** Something under way: it happens once and cannot be called off. */
  post(at: number, target: Target, what: number, value: number): void {
    this.schedule.add(at, target, what, value, true)
    this.scheduled(at, true)
  }

  /** A time limit, which may be cancelled. */
  limit(at: number, target: Target, what: number): Entry {
    const entry = this.schedule.add(at, target, what, 0, false)
    this.scheduled(at, false)
    return entry
  }

  cancel(entry: Entry | undefined): void {
    if (entry) this.schedule.cancel(entry)
  }

  setTimeout = (callback: () => void, ms: number): Entry => {
    if (typeof callback !== 'function')
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'callback', 'a function', callback)
    return this.limit(this.now + duration('ms', ms), new Timer(callback), 0)
  }

  clearTimeout = (timer: Entry | undefined): void => this.cancel(isRevoked(timer) ? undefined : timer)

  sleep = (ms: number): Promise<void> => new Promise((resolve) => void this.setTimeout(resolve, ms))

  /**
   * Blocks the thread until `over`, at most until `deadline`: meanwhile the network goes on and the program stands still.
   *
   * @throws SockError `ERR_SOCK_DEADLOCK` where that would be for ever
   */
  block(over: () => boolean, deadline: number, interrupt: ThreadInterrupt | undefined): void {
    try {
      while (!over() && !interrupt?.interrupted && this.now < deadline) {
        const { next } = this.schedule
        if (next <= this.now) this.schedule.happenBlocked()
        else this.passBlocked(Math.min(next, deadline), interrupt)
      }
    } finally {
      this.schedule.unblock()
    }
  }

  /** The time is `at`, or it was interrupted. */
  protected passBlocked(at: number, _interrupt: ThreadInterrupt | undefined): void {
    if (at === Number.POSITIVE_INFINITY) throw deadlock()
    this.moveTo(at)
  }

  /**
   * Lets what is due by `until` happen, up to the first thing that runs code of the program.
   * @param most a bound for the count, which is answered
   */
  protected batch(until: number): number {
    let count = 0
    for (let at = this.schedule.next; at <= until; at = this.schedule.next) {
      this.moveTo(at)
      count++
      if (this.schedule.happen()) break
    }
    return count
  }
}

/** Stands still until it is told to move, or the program blocks. */
class VirtualClock extends Clock {
  now = 0
  #last: Promise<unknown> = Promise.resolve()

  protected scheduled(): void {}

  advance(ms: number): Promise<void> {
    duration('ms', ms)
    return this.#inTurn(async () => {
      const until = this.now + ms
      while (this.batch(until) > 0) await turn()
      // A blocking wait may have gone further.
      this.moveTo(until)
    })
  }

  run(limit = LIMIT): Promise<void> {
    return this.#inTurn(async () => {
      let count = 0
      while (this.schedule.size > 0) {
        count += this.batch(Number.MAX_VALUE)
        if (count > limit) throw endless(limit, this.now)
        await turn()
      }
    })
  }

  protected moveTo(at: number): void {
    if (at > this.now) this.now = at
  }

  /** One after the other; each begins with a turn, so that what the program has started comes first. */
  #inTurn(move: () => Promise<void>): Promise<void> {
    const moved = this.#last.then(turn).then(move)
    this.#last = moved.catch(() => {})
    return moved
  }
}

/** Moves by itself: shared by the two that do. */
abstract class MovingClock extends Clock {
  #idle: (() => void)[] = []

  advance(ms: number): Promise<void> {
    return this.sleep(ms)
  }

  async run(): Promise<void> {
    await turn()
    if (this.schedule.size > 0) await new Promise<void>((resolve) => void this.#idle.push(resolve))
  }

  /** Nothing is scheduled. */
  protected settled(): void {
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }
}

/** Virtual time that jumps to what comes next as soon as the program is idle. */
class AutoClock extends MovingClock {
  now = 0
  #armed = false
  #idleTurns = 0

  protected scheduled(): void {
    this.#idleTurns = 0
    if (!this.#armed) this.#arm()
  }

  /** It never waits, so it holds the process until nothing is scheduled. */
  #arm(): void {
    this.#armed = true
    nextTurn(this.#tick)
  }

  readonly #tick = (): void => {
    const { next } = this.schedule
    if (next === Number.POSITIVE_INFINITY) {
      this.#armed = false
      return this.settled()
    }
    if (next <= this.now || ++this.#idleTurns >= IDLE_TURNS) {
      // What runs no code of the program leaves it as idle as it was.
      this.batch(Number.MAX_VALUE)
      this.#idleTurns = 0
    }
    this.#arm()
  }

  protected moveTo(at: number): void {
    if (at > this.now) this.now = at
  }
}

/** The machine's time. */
class RealClock extends MovingClock {
  override readonly epoch = Date.now()
  readonly #begun = performance.now()
  #pending: Pending | undefined
  /** When `#pending` comes. */
  #wakesAt = Number.POSITIVE_INFINITY

  get now(): number {
    return performance.now() - this.#begun
  }

  protected moveTo(): void {}

  /** Nobody else can interrupt where there is no interrupt. */
  protected override passBlocked(at: number, interrupt: ThreadInterrupt | undefined): void {
    if (interrupt) interrupt.sleep(at - this.now)
    else if (at === Number.POSITIVE_INFINITY) throw deadlock()
    else block(at - this.now)
  }

  protected scheduled(at: number, holds: boolean): void {
    if (at < this.#wakesAt) this.#arm()
    else if (holds) this.#pending?.ref?.()
  }

  #arm(): void {
    const { next } = this.schedule
    if (next >= this.#wakesAt) return
    // An earlier wake-up takes the place of a later one, whose own tick then finds another pending.
    this.#wakesAt = next
    const wait = next - this.now
    const pending: Pending =
      wait <= 0 ? nextTurn(() => this.#tick(pending)) : later(() => this.#tick(pending), Math.ceil(wait))
    this.#pending?.unref?.()
    this.#pending = pending
    if (this.schedule.holding === 0) pending.unref?.()
  }

  #tick(pending: Pending): void {
    if (pending !== this.#pending) return
    this.#pending = undefined
    this.#wakesAt = Number.POSITIVE_INFINITY
    this.batch(this.now)
    if (this.schedule.next === Number.POSITIVE_INFINITY) this.settled()
    else this.#arm()
  }
}

/** What `setTimeout` calls. */
class Timer implements Target {
  readonly runsProgram = true
  readonly #callback: () => void

  constructor(callback: () => void) {
    this.#callback = callback
  }

  happen(): boolean {
    try {
      this.#callback()
    } catch (error) {
      throwUncaught(error)
    }
    return true
  }
}

function duration(name: string, ms: unknown): number {
  if (typeof ms !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a number', ms)
  if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER))
    throw invalidArgument('ERR_OUT_OF_RANGE', name, 'a number of ms from 0', ms)
  return ms
}

function deadlock(): SockError {
  const message = 'this wait would block for ever: it has no timeout, and nothing on the network can end it'
  return new SockError(`${message} while the program stands still; use the asynchronous wait, or a timeout`, {
    code: 'ERR_SOCK_DEADLOCK',
  })
}

function endless(limit: number, now: number): SockError {
  const message = `the network does not come to rest: ${limit} things have happened by ${now} ms and more are scheduled`
  return new SockError(`${message}; end what repeats, or use advance(ms)`, { code: 'ERR_RUN_LIMIT' })
}
