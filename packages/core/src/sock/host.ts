import type { SockError } from '../errors'
import type { ThreadInterrupt } from '../interrupt'
import type { Sock } from '../sock'

/** One Sock of a wait: what is asked, and what came of it. */
export interface WaitRequest {
  readonly sock: Sock
  /** Stays open, whatever its owner does, until the wait is over. */
  readonly fd: number
  /** {@link RecvEvent} | {@link SendEvent}; 0 asks for errors alone. */
  readonly requested: number
  /** 0 at first; the host sets what was requested and is true, and {@link ErrorEvent} unasked. */
  occurred: number
}

/**
 * Where descriptors live, time passes and waits happen: one per environment for each native backend, one per host of
 * the memory network, one per mock clock. Socks of one SockHost can be waited for together.
 *
 * Half of the seam a kind of Sock is built on; the other half are the `sys…` calls of {@link Sock}. All calls come from
 * the JavaScript thread that owns the Socks.
 */
export interface SockHost {
  /** The backend's name, for messages. */
  readonly name: string

  /**
   * Whether `fd` names a descriptor of the process: a Sock that is garbage collected unclosed is then closed and warned
   * about. False where the garbage collector frees what lies behind it.
   */
  readonly descriptors: boolean

  /** The clock of every timeout: ms, monotonic, from any origin. */
  now(): number

  /**
   * A Sock takes ownership of `fd`. From here to `close` or `disown` it is the host's to close when the environment ends:
   * nothing collects garbage then. Must not throw.
   */
  own(fd: number): void

  /** A Sock gave `fd` away; no wait has it. Must not throw. */
  disown(fd: number): void

  /**
   * Closes `fd`; called exactly once for each that is owned, never while a wait has it. 0 or a negative errno, which becomes a
   * warning; not called again after EINTR. Must not throw.
   */
  close(fd: number): number

  /**
   * Waits without blocking JavaScript. Ends as soon as one request has occurred, after `timeout` ms (0 or more,
   * fractions and Infinity included), or early with nothing; EINTR is no reason to end early but is allowed to be one.
   * Calls `done` exactly once, never synchronously, with an error when nothing could be waited for.
   * The requests are the host's until then.
   *
   * @returns ends the wait early, with whatever has occurred; `done` follows as soon as no `fd` is in use any more.
   *   After `done`, and again, it does nothing
   * @throws SockError when the wait cannot begin; `done` is not called then
   */
  wait(
    requests: readonly WaitRequest[],
    timeout: number,
    done: (error: SockError | undefined) => void,
  ): () => void

  /**
   * The same, blocking the thread; ends early once `interrupt` is interrupted, also by another thread:
   * {@link ThreadInterrupt.withBell}.
   *
   * @throws SockError when nothing could be waited for
   */
  waitSync(requests: readonly WaitRequest[], timeout: number, interrupt: ThreadInterrupt | undefined): void
}
