import { stopped } from '@sockman/core'
import type { NativeEngine } from './binding'
import { enter, leave } from './running'

/** Where a SockMan is in its life: not started, running, stopping, ended; and whether it holds the process. */
export class RunState {
  readonly #native: NativeEngine
  #started = false
  #stopping: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #ended = false
  /** Stopping, and what is held may take its time. */
  #draining = false
  /** What is held is being closed. */
  #closing = false
  /** Listeners and connections that are not at their end. */
  #held = 0
  #referenced = true
  #alive = false

  constructor(native: NativeEngine) {
    this.#native = native
  }

  /** `stop` was called; stays true. */
  get stopping(): boolean {
    return this.#stopping !== undefined
  }
  /** The engine is gone. */
  get ended(): boolean {
    return this.#ended
  }
  assertRunning(): void {
    if (this.#stopping || this.#ended) throw stopped()
  }

  /** For one more listener or connection, whose end is {@link letGo}. The first is the start. */
  hold(): void {
    if (!this.#started) {
      this.#started = true
      enter(this)
    }
    this.#held++
    this.#updateAlive()
  }
  letGo(): void {
    this.#held--
    if (this.#held === 0 && this.#draining) this.#stopNative()
    this.#updateAlive()
  }

  ref(): void {
    this.#referenced = true
    this.#updateAlive()
  }
  unref(): void {
    this.#referenced = false
    this.#updateAlive()
  }
  /** A stopping SockMan holds the process whatever it was told. */
  #updateAlive(): void {
    const stopping = this.#stopping !== undefined && !this.#ended
    const working = this.#held > 0 && this.#referenced && !this.#ended
    const alive = this.#started && (stopping || working)
    if (alive === this.#alive) return
    this.#alive = alive
    this.#native.keepAlive(alive)
  }

  /**
   * Begins to stop, once; `closeAll` closes what is held, and with `drain` the engine goes on until all of that is gone, or the
   * next call without it. Resolves at {@link end}.
   */
  stop(closeAll: () => void, drain = false): Promise<void> {
    if (this.#stopping) {
      if (this.#draining && !drain) this.#stopNative()
      return this.#stopping.promise
    }
    this.#draining = drain
    this.#closing = true
    let resolve!: () => void
    const promise = new Promise<void>((done) => {
      resolve = done
    })
    this.#stopping = { promise, resolve }
    if (!this.#started) {
      this.#ended = true
      this.#native.join()
      resolve()
      return promise
    }
    closeAll()
    this.#closing = false
    if (!this.#draining || this.#held === 0) this.#stopNative()
    this.#updateAlive()
    return promise
  }

  /** After all that is closed is known to the engine: code of the caller's may ask for it while that is done. */
  #stopNative(): void {
    this.#draining = false
    if (!this.#closing) this.#native.stop()
  }

  /** At the `stopped` record, the last one. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#native.join()
    leave(this)
    this.#updateAlive()
    this.#stopping!.resolve()
  }

  /** Ends everything now, without events, blocking until the engine is at rest: for the end of the process. */
  dispose(): void {
    this.#ended = true
    this.#native.dispose()
  }
}
