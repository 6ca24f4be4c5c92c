import {
  type ConnectionHandlers,
  type Handlers,
  type Listener,
  type ResolvedLimits,
  type ResolvedListenOptions,
  type SockAddr,
  SockError,
} from '@sockman/core'
import type { Announcer } from './announcer'
import type { Backlog } from './backlog'
import type { ListenResult, NativeEngine } from './binding'
import { attempt, notSelectable } from './failure'
import type { RunState } from './run-state'
import { parseAddress } from './values'

/** A listener with the handlers of what it accepts. */
export interface OwnListener extends Listener {
  readonly handlers: ConnectionHandlers
  /** Whether the lists of the listener let a peer in. */
  readonly admits: (them: SockAddr) => boolean
  readonly limits: ResolvedLimits | undefined
  closed: boolean
}

/** The listening sockets, by number, until the engine has let go of them. */
export class Listeners {
  readonly #native: NativeEngine
  readonly #run: RunState
  readonly #announcer: Announcer
  readonly #handlers: Handlers
  readonly #descriptorLimit: number | null
  readonly #backlog: Backlog
  readonly #listeners = new Map<number, OwnListener>()

  constructor(
    native: NativeEngine,
    run: RunState,
    announcer: Announcer,
    handlers: Handlers,
    descriptorLimit: number | null,
    backlog: Backlog,
  ) {
    this.#native = native
    this.#run = run
    this.#announcer = announcer
    this.#handlers = handlers
    this.#descriptorLimit = descriptorLimit
    this.#backlog = backlog
  }

  get size(): number {
    return this.#listeners.size
  }
  get(number: number): OwnListener | undefined {
    return this.#listeners.get(number)
  }

  /** What `open` opens; `wanted` is the address its errors name. */
  add(
    { events, admits, limits }: Pick<ResolvedListenOptions, 'events' | 'admits' | 'limits'>,
    wanted: SockAddr | undefined,
    open: () => ListenResult,
  ): Listener {
    const handlers = this.#handlers.or(events)
    const [id, text, warnings] = attempt(open, wanted)
    this.#run.hold()
    const address = parseAddress(text)
    const listener: OwnListener = {
      id,
      address,
      handlers,
      admits,
      limits,
      closed: false,
      close: () => this.#close(listener),
    }
    this.#listeners.set(id, listener)
    this.#announcer.warn(warnings, address)
    this.#announcer.listening(address)
    return listener
  }

  closeAll(): void {
    for (const listener of this.#listeners.values()) this.#close(listener)
  }

  #close(listener: OwnListener): void {
    if (listener.closed || this.#run.ended) return
    listener.closed = true
    this.#backlog.drop(listener)
    this.#native.closeListener(listener.id)
    this.#announcer.listenerClosed(listener.address)
  }

  // ---- Records ----

  /** `errno` 0: `descriptor` cannot be watched. */
  onError(number: number, errno: number, descriptor: number): void {
    const listener = this.#listeners.get(number)
    if (!listener || listener.closed) return
    const error =
      errno === 0
        ? notSelectable(descriptor, this.#descriptorLimit!, listener.address)
        : SockError.fromErrno(errno, 'accept', listener.address.where)
    this.#announcer.listenError(listener.address, error)
    listener.handlers.listenError(listener, error)
  }

  onClosed(number: number): void {
    this.#listeners.delete(number)
    this.#native.freeListener(number)
    this.#run.letGo()
  }
}
