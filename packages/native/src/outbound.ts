import { type AbortWatch, definedOptions, type ResolvedTcpOptions, type SockAddr } from '@sockman/core'

/** What outbound connections have beside their slot. */
export class Outbound {
  /** For the errors of their whole life. */
  readonly #targets = new Map<number, SockAddr>()
  /** Of pending connects. */
  readonly #watches = new Map<number, AbortWatch>()

  readonly #postponed = new Map<number, ResolvedTcpOptions>()

  add(slot: number, target: SockAddr, watch: AbortWatch | undefined): void {
    this.#targets.set(slot, target)
    if (watch) this.#watches.set(slot, watch)
  }
  /** Undefined for one that was accepted or adopted. */
  target(slot: number): SockAddr | undefined {
    return this.#targets.get(slot)
  }
  /** Options that were asked for while it is connecting, on top of those before. */
  postpone(slot: number, tcp: ResolvedTcpOptions): void {
    this.#postponed.set(slot, { ...(this.#postponed.get(slot) ?? tcp), ...definedOptions(tcp) })
  }
  takePostponed(slot: number): ResolvedTcpOptions | undefined {
    const tcp = this.#postponed.get(slot)
    this.#postponed.delete(slot)
    return tcp
  }
  remove(slot: number): { target: SockAddr | undefined; watch: AbortWatch | undefined } {
    const target = this.#targets.get(slot)
    const watch = this.#watches.get(slot)
    this.#targets.delete(slot)
    this.#postponed.delete(slot)
    this.#watches.delete(slot)
    return { target, watch }
  }
  /** Runs code of the signal's owner, so nothing may be half done when it is called. */
  unwatch(slot: number): void {
    const watch = this.#watches.get(slot)
    this.#watches.delete(slot)
    watch?.end()
  }
}
