import { errnoOf, SockError } from '../errors'
import type { ThreadInterrupt } from '../interrupt'
import type { SockHost, WaitRequest } from '../sock/host'
import { checkInteger } from '../sock/options'
import type { MockSock } from './mock-sock'

interface PendingWait {
  readonly requests: readonly WaitRequest[]
  readonly deadline: number
  end(error?: SockError): void
}

interface Appointment {
  readonly at: number
  readonly action: () => void
}

const EINTR = errnoOf('EINTR')

/** Node's, where there is one: a whole turn of the event loop, with no millisecond added. */
const nextTurn: (action: () => void) => unknown =
  (globalThis as { setImmediate?: (action: () => void) => unknown }).setImmediate ??
  ((action) => setTimeout(action, 0))

/**
 * The clock and the waiting of mock Socks: time passes only when everybody waits, so a timeout of a day takes none.
 *
 * A wait ends at once when one of its Socks is ready. Else, once the program was quiet for a whole turn of the event
 * loop, the clock jumps to the next appointment or deadline. A `…Sync` wait jumps right away, because nobody else can run.
 */
export class MockClock implements SockHost {
  readonly name = 'mock'
  readonly descriptors = false
  readonly #jumps: boolean
  #now = 0
  /** Sorted by time, then by age: the next is the last. */
  readonly #appointments: Appointment[] = []
  readonly #waits = new Set<PendingWait>()
  #armed = false
  #stirred = false

  /** @param options `jumps: false`: time passes by {@link MockClock.advance} alone. For programs that also wait for real things */
  constructor(options: { jumps?: boolean } = {}) {
    this.#jumps = options.jumps ?? true
  }

  now(): number {
    return this.#now
  }

  /** Lets `ms` pass: what is due happens, in order of time. */
  advance(ms: number): void {
    this.#goTo(this.#now + checkInteger('ms', ms, 0, Number.MAX_SAFE_INTEGER))
  }

  /** Calls `action` in `ms`, when time passes: while somebody waits, or by `advance`. */
  schedule(ms: number, action: () => void): void {
    const at = this.#now + checkInteger('ms', ms, 0, Number.MAX_SAFE_INTEGER)
    const sooner = this.#appointments.findIndex((other) => other.at <= at)
    this.#appointments.splice(sooner < 0 ? this.#appointments.length : sooner, 0, { at, action })
    this.#arm()
  }

  /** Something happened to a Sock: looks whether a wait is over. */
  stir(): void {
    this.#stirred = true
    for (const wait of this.#waits) this.#look(wait)
  }

  own(_fd: number): void {}

  disown(_fd: number): void {}

  close(_fd: number): number {
    return 0
  }

  wait(
    requests: readonly WaitRequest[],
    timeout: number,
    done: (error: SockError | undefined) => void,
  ): () => void {
    const deadline = this.#now + timeout
    // Asked before it is pending: the asking itself may take time.
    const answer = begin(requests)
    const wait: PendingWait = {
      requests,
      deadline,
      end: (error) => {
        if (this.#waits.delete(wait)) queueMicrotask(() => done(error))
      },
    }
    this.#stirred = true
    this.#waits.add(wait)
    if (answer !== undefined) wait.end(answer || undefined)
    else if (this.#now >= deadline) wait.end()
    else if (this.#jumps && this.#onlyTimeEnds(wait)) this.#goTo(deadline)
    else this.#arm()
    return () => wait.end()
  }

  /** @throws SockError also `ERR_SOCK_DEADLOCK`: no deadline, and nothing scheduled that could end the wait */
  waitSync(requests: readonly WaitRequest[], timeout: number, interrupt: ThreadInterrupt | undefined): void {
    const deadline = this.#now + timeout
    let answer = begin(requests)
    while (answer === undefined && this.#now < deadline && !interrupt?.interrupted) {
      const next = Math.min(deadline, this.#appointments.at(-1)?.at ?? Number.POSITIVE_INFINITY)
      if (next === Number.POSITIVE_INFINITY) {
        throw new SockError('this wait would block for ever: it has no timeout, and nothing is scheduled', {
          code: 'ERR_SOCK_DEADLOCK',
        })
      }
      this.#goTo(next)
      answer = occurred(requests) ? null : undefined
    }
    if (answer) throw answer
  }

  #goTo(time: number): void {
    for (let next = this.#next(); next <= time; next = this.#next()) {
      this.#now = Math.max(this.#now, next)
      while (this.#appointments.length > 0 && this.#appointments.at(-1)!.at <= this.#now) {
        this.#appointments.pop()!.action()
      }
      for (const wait of this.#waits) this.#look(wait)
      if (this.#waits.size === 0 && this.#appointments.length === 0) break
    }
    this.#now = Math.max(this.#now, time)
  }

  #next(): number {
    let next = this.#appointments.at(-1)?.at ?? Number.POSITIVE_INFINITY
    for (const { deadline } of this.#waits) next = Math.min(next, deadline)
    return next
  }

  #look(wait: PendingWait): void {
    if (occurred(wait.requests) || this.#now >= wait.deadline) wait.end()
  }

  #onlyTimeEnds(wait: PendingWait): boolean {
    return (
      this.#waits.size === 1 &&
      this.#appointments.length === 0 &&
      wait.deadline < Number.POSITIVE_INFINITY &&
      wait.requests.every(({ sock }) => (sock as MockSock).passive)
    )
  }

  #arm(): void {
    if (this.#armed || !this.#jumps || this.#waits.size === 0) return
    if (this.#next() === Number.POSITIVE_INFINITY) return
    this.#armed = true
    nextTurn(() => {
      this.#armed = false
      if (!this.#stirred && this.#waits.size > 0) this.#goTo(this.#next())
      this.#stirred = false
      this.#arm()
    })
  }
}

/** Asks each Sock once per wait. An error; null when the wait is over; undefined when it goes on. */
function begin(requests: readonly WaitRequest[]): SockError | null | undefined {
  let over = false
  for (const request of requests) {
    const result = (request.sock as MockSock).beginWait(request.requested)
    if (result < 0 && result !== -EINTR) return SockError.fromErrno(result, 'poll')
    if (result > 0) request.occurred = result
    over ||= result !== 0
  }
  return over ? null : undefined
}

function occurred(requests: readonly WaitRequest[]): boolean {
  let any = false
  for (const request of requests) {
    request.occurred = (request.sock as MockSock).ready(request.requested)
    any ||= request.occurred !== 0
  }
  return any
}
