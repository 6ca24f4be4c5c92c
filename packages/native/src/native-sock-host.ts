import type { BellFoundry, SockError, SockHost, ThreadInterrupt, WaitRequest } from '@sockman/core'
import type { Addon, NativeHost, SockCalls } from './binding'
import { attempt, checked } from './failure'
import { enter, type Running } from './running'

interface Waiting {
  readonly requests: readonly WaitRequest[]
  readonly done: (error: SockError | undefined) => void
}

/** The Socks of one backend in one environment: their primitives, their waits, and the descriptors they own. */
export class NativeSockHost implements SockHost, Running {
  readonly name: string
  readonly descriptors = true
  readonly calls: SockCalls
  /** Descriptors from here on cannot be waited for; null: all can. */
  readonly descriptorLimit: number | null
  readonly #native: NativeHost
  readonly #waits = new Map<number, Waiting>()
  readonly #foundry: BellFoundry

  /** @throws an error as in `failure.ts` when the mechanism is refused */
  constructor(name: string, addon: Addon, descriptorLimit: number | null, inWorker: boolean) {
    this.name = name
    this.calls = addon.sock
    this.descriptorLimit = descriptorLimit
    const native = new addon.SockHost(() => this.#deliver(), inWorker)
    this.#native = native
    this.#foundry = {
      open: () => checked(addon.sock.openBell(), 'eventfd'),
      close: (fd) => native.close(fd),
    }
  }

  now(): number {
    return this.#native.now()
  }

  own(fd: number): void {
    this.#native.own(fd)
  }

  disown(fd: number): void {
    this.#native.disown(fd)
  }

  close(fd: number): number {
    return this.#native.close(fd)
  }

  wait(
    requests: readonly WaitRequest[],
    timeout: number,
    done: (error: SockError | undefined) => void,
  ): () => void {
    const token = attempt(() => this.#native.begin(wordsOf(requests), timeout))
    this.#waits.set(token, { requests, done })
    enter(this)
    return () => {
      if (this.#waits.has(token)) this.#native.cancel(token)
    }
  }

  waitSync(requests: readonly WaitRequest[], timeout: number, interrupt: ThreadInterrupt | undefined): void {
    if (!interrupt) this.#block(requests, timeout, -1, () => false)
    else
      interrupt.withBell(this.#foundry, (bell) =>
        this.#block(requests, timeout, bell, () => this.#rung(interrupt, bell)),
      )
  }

  #block(requests: readonly WaitRequest[], timeout: number, bell: number, rung: () => boolean): void {
    const words = wordsOf(requests)
    const deadline = this.now() + timeout
    let left = timeout
    // Between two calls a thread that was told to end does so.
    while (!attempt(() => this.#native.waitSync(words, left, bell))) {
      if (rung()) return
      left = Math.max(0, deadline - this.now())
    }
    for (const [at, request] of requests.entries()) request.occurred = words[2 * at + 1]!
  }

  /**
   * Whether the bell means it: a ring may come late, when its interrupt was reset already. That one is silenced. The
   * turn is written before the ring, so whoever has silenced a new one sees its turn, and rings again for other threads.
   */
  #rung(interrupt: ThreadInterrupt, bell: number): boolean {
    if (interrupt.interrupted) return true
    this.calls.clearBell(bell)
    if (!interrupt.interrupted) return false
    this.calls.ringBell(bell)
    return true
  }

  #deliver(): void {
    const ended = this.#native.take()
    for (let at = 0; at < ended.length; ) {
      const token = ended[at++]!
      const { requests, done } = this.#waits.get(token)!
      this.#waits.delete(token)
      at++
      for (const request of requests) request.occurred = ended[at++]!
      done(undefined)
    }
  }

  dispose(): void {
    this.#native.stop()
  }
}

function wordsOf(requests: readonly WaitRequest[]): Int32Array {
  const words = new Int32Array(2 * requests.length)
  for (const [at, { fd, requested }] of requests.entries()) {
    words[2 * at] = fd
    words[2 * at + 1] = requested
  }
  return words
}
