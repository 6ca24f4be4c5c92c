/**
 * For backends: what listens to the signal of a connect. The methods of a signal are its owner's code: they may throw,
 * call anything, and call the listener at any time, also when it was removed.
 */
export class AbortWatch {
  readonly #signal: AbortSignal | undefined
  #aborted: boolean
  #abort: (() => void) | undefined

  /**
   * Listens at once, before the connect begins, for `addEventListener` may stop the SockMan.
   *
   * @throws what the signal's own code throws
   */
  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    this.#aborted = signal?.aborted ?? false
    if (!this.#aborted) signal?.addEventListener('abort', this.#listener, { once: true })
  }

  readonly #listener = (): void => {
    this.#aborted = true
    this.#abort?.()
  }

  /** From now on an abort calls `abort`; what came before calls it now. */
  begin(abort: () => void): void {
    this.#abort = abort
    if (this.#aborted) abort()
  }

  end(): void {
    this.#abort = undefined
    try {
      this.#signal?.removeEventListener('abort', this.#listener)
    } catch (error) {
      // An uncaught exception, as of a handler: whoever ends many must not stop halfway.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
