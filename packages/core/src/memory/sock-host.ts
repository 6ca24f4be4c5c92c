import type { SockError } from '../errors'
import type { ThreadInterrupt } from '../interrupt'
import { ErrorEvent } from '../sock/constants'
import type { SockHost, WaitRequest } from '../sock/host'
import type { Clock } from './clock'
import type { Kernel } from './kernel'
import type { Entry, Target } from './schedule'
import type { SocketWatcher } from './socket'

/** Where the Socks of a memory host live: the descriptors are its kernel's, the time is the network's. */
export class MemorySockHost implements SockHost {
  readonly name = 'memory'
  readonly descriptors = false
  readonly kernel: Kernel

  constructor(kernel: Kernel) {
    this.kernel = kernel
  }

  now(): number {
    return this.kernel.world.clock.now
  }

  own(_fd: number): void {}

  disown(_fd: number): void {}

  close(fd: number): number {
    this.kernel.world.sockets.take(fd)?.close()
    return 0
  }

  wait(
    requests: readonly WaitRequest[],
    timeout: number,
    done: (error: SockError | undefined) => void,
  ): () => void {
    const wait = new Wait(this.kernel, requests, done)
    wait.begin(timeout)
    return () => wait.cancel()
  }

  /** The network goes on meanwhile, at once where its time is not the machine's; nothing of the program does. */
  waitSync(requests: readonly WaitRequest[], timeout: number, interrupt: ThreadInterrupt | undefined): void {
    const { clock } = this.kernel.world
    clock.block(() => look(this.kernel, requests), clock.now + timeout, interrupt)
  }
}

const READY = 0
const EXPIRED = 1

/** A wait under way: what ends it happens on the network, in a batch of its own. */
class Wait implements SocketWatcher, Target {
  readonly runsProgram = true
  readonly #kernel: Kernel
  readonly #requests: readonly WaitRequest[]
  readonly #done: (error: SockError | undefined) => void
  #limit: Entry | undefined
  #readyDue = false
  #over = false

  constructor(
    kernel: Kernel,
    requests: readonly WaitRequest[],
    done: (error: SockError | undefined) => void,
  ) {
    this.#kernel = kernel
    this.#requests = requests
    this.#done = done
  }

  get #clock(): Clock {
    return this.#kernel.world.clock
  }

  begin(timeout: number): void {
    // What is so already takes no time, so the clock need not move.
    if (look(this.#kernel, this.#requests) || timeout === 0) return this.cancel()
    for (const { fd } of this.#requests) this.#kernel.socket(fd)?.watchers.add(this)
    if (timeout !== Number.POSITIVE_INFINITY)
      this.#limit = this.#clock.limit(this.#clock.now + timeout, this, EXPIRED)
  }

  changed(): void {
    if (this.#readyDue || this.#over || !look(this.#kernel, this.#requests)) return
    this.#readyDue = true
    this.#clock.post(this.#clock.now, this, READY, 0)
  }

  happen(what: number): boolean {
    if (what === READY) this.#readyDue = false
    if (this.#over) return false
    // Somebody else may have taken what there was.
    if (!look(this.#kernel, this.#requests) && what === READY) return false
    this.#leave()
    this.#done(undefined)
    return true
  }

  /** Ends it with what has occurred, without the clock. */
  cancel(): void {
    if (this.#over) return
    this.#leave()
    look(this.#kernel, this.#requests)
    queueMicrotask(() => this.#done(undefined))
  }

  #leave(): void {
    this.#over = true
    this.#clock.cancel(this.#limit)
    for (const { fd } of this.#requests) this.#kernel.socket(fd)?.watchers.delete(this)
  }
}

/** Notes what has occurred; whether anything has. */
function look(kernel: Kernel, requests: readonly WaitRequest[]): boolean {
  let any = false
  for (const request of requests) {
    // Closed behind its owner's back, as poll(2)'s POLLNVAL.
    request.occurred = kernel.socket(request.fd)?.ready(request.requested) ?? ErrorEvent
    any ||= request.occurred !== 0
  }
  return any
}
