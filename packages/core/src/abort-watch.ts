import { invalidArgument } from './errors'
import { isSignal } from './objects'

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
   * @throws SockError `ERR_INVALID_ARG_TYPE`; what the signal's own code throws
   */
  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    try {
      this.#aborted = signal?.aborted ?? false
      if (!this.#aborted) signal?.addEventListener('abort', this.#listener, { once: true })
    } catch (error) {
      // The platform's own methods refuse what only has the prototype of a signal.
      if (!(error instanceof TypeError) || isSignal(signal)) throw error
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options.signal', 'an AbortSignal', signal)
    }
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
    this.#signal?.removeEventListener('abort', this.#listener)
  }
}
