import type { SockAddr } from '@sockman/core'

/** What outbound connections have beside their slot. */
export class Outbound {
  /** For the errors of their whole life. */
  readonly #targets = new Map<number, SockAddr>()
  /** Of pending connects, to be undone at their end. */
  readonly #signals = new Map<number, () => void>()

  add(slot: number, target: SockAddr): void {
    this.#targets.set(slot, target)
  }
  /** Undefined for one that was accepted or adopted. */
  target(slot: number): SockAddr | undefined {
    return this.#targets.get(slot)
  }
  remove(slot: number): void {
    this.#targets.delete(slot)
    this.unwatch(slot)
  }

  /** Calls `abort` when `signal` says so, at once if it has, until {@link unwatch}. */
  watch(slot: number, signal: AbortSignal, abort: () => void): void {
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    this.#signals.set(slot, () => signal.removeEventListener('abort', abort))
  }
  unwatch(slot: number): void {
    this.#signals.get(slot)?.()
    this.#signals.delete(slot)
  }
}
