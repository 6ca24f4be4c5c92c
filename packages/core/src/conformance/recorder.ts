import type { SockAddr } from '../address'
import { bytesOf } from '../bytes'
import type { SockError } from '../errors'
import type { ConnectionId, EventName, Listener, SockMan, SockManEvents } from '../sock-man'

type State = 'connecting' | 'open' | 'eof' | 'error' | 'closing' | 'ended'

/** What has happened to one id. */
export interface Life {
  readonly id: ConnectionId
  state: State
  /** The events in order, runs of data as one: `['accepted', 'data', 'eof', 'closed']`. */
  readonly events: string[]
  me?: SockAddr
  them?: SockAddr
  listener?: Listener
  error?: SockError
  /** `unsentBytes` of `onClosed`. */
  unsent?: number
  /** Copies of what came, where the case has no `onData` of its own. */
  readonly received: Uint8Array[]
  receivedBytes: number
  /** Of the last `onSent`. */
  sentBytes: number
  paused: boolean
  /** How often `send` said false or borrowed since the last `onReadyToSend`. */
  readyDue: number
}

interface Wait {
  readonly what: string
  readonly holds: () => boolean
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Ended lives that are kept for the case to look at. */
const KEPT = 20_000

/**
 * Stands between a SockMan and a case: passes every call and event through, and notes each breach of the grammar in
 * the documentation of `SockMan`, so that every case checks it for free. Waiting is for events: conditions are looked at
 * again after each one.
 */
export class Recorder {
  /** Ids in the order of their event. */
  readonly accepted: ConnectionId[] = []
  readonly connected: ConnectionId[] = []
  readonly closed: ConnectionId[] = []
  readonly listenErrors: SockError[] = []
  /** What broke the grammar; a case with any fails. */
  readonly violations: string[] = []
  readonly #lives = new Map<number, Life>()
  readonly #waits = new Set<Wait>()
  readonly #recent: string[] = []
  /** The handler or call under way: no event may begin meanwhile (C73). */
  #busy = ''
  #stopping = false
  #stopped = false

  /** The life of an id that has had an event or was made by `connect` or `adopt`. */
  life(id: ConnectionId): Life {
    const life = this.#lives.get(id)
    if (!life) throw new Error(`nothing is known of id ${id}\n${this.toString()}`)
    return life
  }

  /** Whether an event of that name has come for the id. */
  had(id: ConnectionId, event: string): boolean {
    return this.life(id).events.includes(event)
  }

  /** The bytes that came for the id. */
  bytes(id: ConnectionId): Buffer {
    return Buffer.concat(this.life(id).received)
  }

  /** Resolves when the condition holds, now or after some event; `what` is printed when it never does. */
  until(what: string, holds: () => boolean): Promise<void> {
    const held = new Promise<void>((resolve, reject) => {
      this.#waits.add({ what, holds, resolve, reject })
      this.#settle()
    })
    // A case that failed elsewhere abandons it.
    held.catch(() => {})
    return held
  }

  /** Resolves with the life once the id has had that event. */
  async event(id: ConnectionId, event: string): Promise<Life> {
    await this.until(`'${event}' of id ${id}`, () => this.had(id, event))
    return this.life(id)
  }

  /** Resolves with the bytes once `length` of them came. */
  async receive(id: ConnectionId, length: number): Promise<Buffer> {
    await this.until(`${length} bytes for id ${id}`, () => this.life(id).receivedBytes >= length)
    return this.bytes(id)
  }

  /** What is awaited and what came last, for the message of a case that failed. */
  toString(): string {
    const waiting = [...this.#waits].map(({ what }) => what)
    return [
      ...(waiting.length > 0 ? [`waiting for ${waiting.join('; ')}`] : []),
      ...this.violations.map((violation) => `grammar: ${violation}`),
      `last events: ${this.#recent.join(', ') || 'none'}`,
    ].join('\n')
  }

  /** The SockMan with its calls noted. */
  watch(man: SockMan): SockMan {
    const change = (id: ConnectionId, fields: Partial<Life>): void => {
      const life = this.#lives.get(id)
      if (life) Object.assign(life, fields)
    }
    const noted: { [K in keyof SockMan]?: SockMan[K] } = {
      connect: (address, options) => this.#begin(man.connect(address, options), 'connecting').id,
      adopt: (sock, options) => this.#begin(man.adopt(sock, options), 'open').id,
      send: (id, data, options) => {
        const room = man.send(id, data, options)
        const due = options?.borrow === true || (!room && this.#lives.get(id)?.state !== 'error')
        if (due && bytesOf('data', data).length > 0)
          change(id, { readyDue: (this.#lives.get(id)?.readyDue ?? 0) + 1 })
        return room
      },
      pause: (id) => {
        man.pause(id)
        change(id, { paused: true })
      },
      resume: (id) => {
        man.resume(id)
        change(id, { paused: false })
      },
      close: (id, options) => {
        const closed = man.close(id, options)
        if (closed) change(id, { state: 'closing' })
        return closed
      },
      stop: async (options) => {
        this.#stopping = true
        await man.stop(options)
        this.#stopped = true
        this.#settle()
      },
    }
    return new Proxy(man, {
      get: (target, key) => {
        const member: unknown = noted[key as keyof SockMan] ?? Reflect.get(target, key, target)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) =>
          this.#call(`${String(key)}()`, () => Reflect.apply(member, target, args))
      },
    })
  }

  /** Handlers that note each event and pass it on; `without` leaves some out altogether. */
  handlers(events: SockManEvents = {}, without: readonly EventName[] = []): SockManEvents {
    const closesItself = (['onEof', 'onError', 'onIdle'] as const).some((name) => without.includes(name))
    const all: SockManEvents = {
      onAccepted: (id, me, them, listener) =>
        this.#handle('accepted', id, ['new'], 'open', (life) => {
          Object.assign(life, { me, them, listener })
          this.accepted.push(id)
          const verdict = events.onAccepted?.(id, me, them, listener)
          if (verdict === false) life.state = 'ended'
          return verdict
        }),
      onConnected: (id, me, them) =>
        this.#handle('connected', id, ['connecting'], 'open', (life) => {
          Object.assign(life, { me, them })
          this.connected.push(id)
          events.onConnected?.(id, me, them)
        }),
      onConnectFailed: (id, error) =>
        this.#handle('connectFailed', id, ['connecting'], 'ended', (life) => {
          life.error = error
          events.onConnectFailed?.(id, error)
        }),
      onData: (id, data) =>
        this.#handle('data', id, ['open'], 'open', (life) => {
          if (life.paused) this.#violation(`'data' of id ${id} while paused`)
          if (data.length === 0) this.#violation(`empty 'data' of id ${id}`)
          life.receivedBytes += data.length
          if (events.onData) events.onData(id, data)
          else life.received.push(Buffer.from(data))
        }),
      onEof: (id) => this.#handle('eof', id, ['open'], 'eof', () => events.onEof?.(id)),
      onError: (id, error) =>
        this.#handle('error', id, ['open', 'eof'], 'error', (life) => {
          life.error = error
          events.onError?.(id, error)
        }),
      onReadyToSend: (id) =>
        this.#handle('readyToSend', id, ['open', 'eof'], 'same', (life) => {
          if (life.readyDue === 0) this.#violation(`'readyToSend' of id ${id} with none due`)
          // One more may be on its way, where the queue was empty for a moment between two sends.
          life.readyDue = Math.min(life.readyDue - 1, 1)
          events.onReadyToSend?.(id)
        }),
      onSent: (id, bytes) =>
        this.#handle('sent', id, ['open', 'eof'], 'same', (life) => {
          if (bytes < life.sentBytes)
            this.#violation(`'sent' of id ${id} says ${bytes} after ${life.sentBytes}`)
          life.sentBytes = bytes
          events.onSent?.(id, bytes)
        }),
      onIdle: (id) => this.#handle('idle', id, ['open', 'eof'], 'same', () => events.onIdle?.(id)),
      onListenError: (listener, error) =>
        this.#event('listenError', () => {
          this.listenErrors.push(error)
          events.onListenError?.(listener, error)
        }),
      onClosed: (id, unsentBytes) => {
        const live: State[] = this.#stopping
          ? ['connecting', 'open', 'eof', 'error']
          : closesItself
            ? ['open', 'eof']
            : []
        this.#handle('closed', id, ['closing', ...live], 'ended', (life) => {
          life.unsent = unsentBytes
          this.closed.push(id)
          events.onClosed?.(id, unsentBytes)
        })
      },
    }
    if (events.onBatchEnd) all.onBatchEnd = () => this.#event('batchEnd', () => events.onBatchEnd?.())
    for (const name of without) delete all[name]
    return all
  }

  /** One event of an id: checks it against the grammar, notes it, passes it on. */
  #handle<T>(
    name: string,
    id: ConnectionId,
    from: readonly (State | 'new')[],
    to: State | 'same',
    pass: (life: Life) => T,
  ): T {
    const known = this.#lives.get(id)
    const state = known?.state ?? 'new'
    if (!from.includes(state)) this.#violation(`'${name}' of id ${id} while ${state}`)
    if (this.#stopping && name !== 'closed') this.#violation(`'${name}' of id ${id} after stop()`)
    const life = known ?? this.#begin(id, 'open')
    if (to !== 'same') life.state = to
    if (name !== 'data' || life.events.at(-1) !== 'data') life.events.push(name)
    return this.#event(`${name} ${id}`, () => pass(life))
  }

  #event<T>(what: string, pass: () => T): T {
    if (this.#busy !== '') this.#violation(`'${what}' during ${this.#busy}`)
    if (this.#stopped) this.#violation(`'${what}' after stop() had resolved`)
    this.#recent.push(what)
    if (this.#recent.length > 40) this.#recent.splice(0, 20)
    try {
      return this.#call(what, pass)
    } finally {
      this.#settle()
    }
  }

  #call<T>(what: string, run: () => T): T {
    const outer = this.#busy
    this.#busy = what
    try {
      return run()
    } finally {
      this.#busy = outer
    }
  }

  #begin(id: ConnectionId, state: State): Life {
    if (this.#lives.has(id)) this.#violation(`id ${id} is used again`)
    const life: Life = {
      id,
      state,
      events: [],
      received: [],
      receivedBytes: 0,
      sentBytes: 0,
      paused: false,
      readyDue: 0,
    }
    this.#lives.set(id, life)
    if (this.#lives.size > KEPT) {
      for (const [old, { state }] of this.#lives) {
        if (state === 'ended') this.#lives.delete(old)
        if (this.#lives.size <= KEPT) break
      }
    }
    return life
  }

  #violation(text: string): void {
    if (this.violations.length < 10) this.violations.push(text)
  }

  #settle(): void {
    for (const wait of this.#waits) {
      try {
        if (this.violations.length > 0) throw new Error(this.toString())
        if (!wait.holds()) continue
        wait.resolve()
      } catch (error) {
        wait.reject(error as Error)
      }
      this.#waits.delete(wait)
    }
  }
}
