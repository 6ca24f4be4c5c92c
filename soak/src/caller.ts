import type {
  ConnectionId,
  Listener,
  SockError,
  SockMan,
  SockManEvents,
  SockManOptions,
  StopOptions,
} from '../../packages/core/src'
import { Recorder } from '../../packages/core/src/conformance/recorder'
import type { Random } from '../../packages/core/src/memory/random'
import { ACTIONS, draw } from './actions'
import { Connection } from './connection'
import type { PeerAddresses } from './peers'
import { CALLERS, type TagReader } from './tag'

/** Ids that are remembered when they have ended, to be called about once more. */
const REMEMBERED = 64
/** Live ids beyond which the caller rather closes than connects. */
export const CROWD = 300
/** Chance that an event's callback makes calls itself, and that something is called later because of an event. */
const CALLS_IN_EVENT = 0.25
const CALLS_LATER = 0.1

/** What the caller needs of the world around it. */
export interface Surroundings {
  create(events: SockManEvents, options: SockManOptions): SockMan
  readonly random: Random
  sleep(ms: number): Promise<void>
  readonly peers: PeerAddresses
  /** The next key of a stream; no key is used twice in a round. */
  key(): number
  /** An address of the SockMan's own to listen on. */
  address(): string
  /** Where the SockMan listens has changed. */
  listening(addresses: readonly string[]): void
}

/**
 * An owner of a SockMan who makes random calls about random ids, in any state, from inside and outside of callbacks, and
 * knows what may come of each. What should not be is in `faults`.
 */
export class Caller {
  readonly world: Surroundings
  readonly man: SockMan
  readonly faults: string[] = []
  /** How often what happened, for the report. */
  readonly counts = new Map<string, number>()
  /** Changes with every event and its order; alike in two runs that had the same events. */
  trace = 0
  readonly listeners = new Set<Listener>()
  /** All ids of the round. */
  readonly connections = new Map<ConnectionId, Connection>()
  /** Those that have not ended. */
  readonly live = new Map<ConnectionId, Connection>()
  readonly #log = new Recorder()
  /** The youngest ids, whatever has become of them. */
  readonly #recent: Connection[] = []
  /** Whose streams have come, by their keys. */
  readonly #senders = new Map<number, Connection>()
  /** No more random calls. */
  #quiet = false
  #stopping = false
  #allEnded = (): void => {}

  constructor(world: Surroundings, options: SockManOptions) {
    this.world = world
    this.man = this.#log.watch(world.create(this.#log.handlers(this.#events()), options))
  }

  get #random(): Random {
    return this.world.random
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by)
  }

  fault(text: string): void {
    if (this.faults.length < 20) this.faults.push(text)
  }

  /** The id that a stream of that key came on. */
  sender(key: number): Connection | undefined {
    return this.#senders.get(key)
  }

  /** One of the ids, in any state. */
  pick(): Connection | undefined {
    const { live } = this
    const random = this.#random
    if (live.size > 0 && random.next() < 0.5) {
      // Walking to a random place of a Map of a few hundred costs little, and the order is that of insertion.
      let at = random.below(live.size)
      for (const connection of live.values()) if (at-- === 0) return connection
    }
    return this.#recent[random.below(this.#recent.length)]
  }

  /** Makes `count` random calls. */
  act(count: number): void {
    for (let n = 0; n < count && !this.#quiet; n++) {
      const action = draw(this.#random)
      this.count(action)
      try {
        ACTIONS[action]!(this)
      } catch (error) {
        this.fault(`${action}: ${(error as Error).stack}`)
      }
    }
  }

  /** Random calls from timers until `until` resolves. */
  async play(until: Promise<void>): Promise<void> {
    let over = false
    void until.then(() => {
      over = true
    })
    while (!over && this.faults.length === 0) {
      await this.world.sleep(this.#random.below(4))
      this.act(this.#random.scaled(1, 30))
    }
    this.#quiet = true
  }

  /** Makes an id known: of `connect`, or of `onAccepted`. */
  begin(id: ConnectionId, state: 'connecting' | 'open'): Connection {
    const connection = new Connection(id, this.world.key(), state)
    if (this.connections.has(id)) this.fault(`id ${id} is used again`)
    this.connections.set(id, connection)
    this.live.set(id, connection)
    this.#recent.push(connection)
    if (this.#recent.length > REMEMBERED) this.#recent.shift()
    return connection
  }

  /** The listeners are others now. */
  listenersChanged(): void {
    this.world.listening([...this.listeners].map(({ address }) => address.toString()))
  }

  /** Resolves when no id is live any more; asked for once. */
  async ended(): Promise<void> {
    if (this.live.size > 0) {
      await new Promise<void>((resolve) => {
        this.#allEnded = resolve
      })
    }
  }

  /** No more random calls: reads on, and lets go of every connection in one of the ways there are. */
  drain(): void {
    this.#quiet = true
    for (const listener of this.listeners) listener.close()
    this.listeners.clear()
    this.listenersChanged()
    for (const connection of [...this.live.values()]) {
      const { id } = connection
      this.man.resume(id)
      connection.paused = false
      if (connection.state === 'closing') continue
      this.man.setOptions(id, { idleTimeout: 0, receiveRate: 0, sendRate: 0 })
      // Both ends may be this SockMan's: a peer is one whose stream has begun to come.
      const peer = (connection.reader.key ?? CALLERS) < CALLERS
      const way = this.#random.below(peer ? 4 : 3)
      if (way === 0) this.close(connection, { flush: true })
      else if (way === 1 || connection.state === 'eof' || connection.state === 'error')
        this.close(connection, {})
      else if (way === 2) this.shutdown(connection)
    }
  }

  async stop(options?: StopOptions): Promise<void> {
    this.#quiet = true
    this.#stopping = true
    await this.man.stop(options)
    for (const { id } of this.live.values()) this.fault(`id ${id} had no onClosed when stop() resolved`)
  }

  /** The same handlers, as an object of its own, or those of the SockMan again. */
  setEvents({ id }: Connection): boolean {
    if (this.#random.next() < 0.3) return this.man.setEvents(id)
    return this.man.setEvents(id, this.#log.handlers(this.#events()))
  }

  close(connection: Connection, options: { flush?: boolean; timeout?: number; reset?: boolean }): void {
    const live = !connection.gone
    connection.note(`close(${JSON.stringify(options)})`)
    const closed = this.man.close(connection.id, options)
    if (closed !== live) this.fault(`close of ${connection}, which is ${connection.state}, said ${closed}`)
    if (!closed) return
    connection.state = 'closing'
    connection.reset = options.reset === true
  }

  shutdown(connection: Connection): void {
    connection.note('shutdown()')
    this.man.shutdown(connection.id)
    if (!connection.gone) connection.shut = true
  }

  /** Whether the error is one of the codes a call may throw; else a fault. */
  expected(what: string, error: unknown, codes: readonly string[]): void {
    const { code } = error as SockError
    if (!(error instanceof Error) || error.name !== 'SockError' || !codes.includes(code))
      this.fault(`${what} threw ${(error as Error)?.stack ?? error}`)
    else this.count(code)
  }

  /** One event: notes it, checks it, and makes calls because of it. */
  #event(what: string, id: ConnectionId, run: (connection: Connection) => void): void {
    this.count(what)
    const connection = this.connections.get(id)
    if (!connection) return this.fault(`${what} of id ${id}, which nobody knows`)
    this.trace = (Math.imul(this.trace ^ id ^ what.length, 0x01000193) + what.charCodeAt(2)) | 0
    connection.note(what)
    run(connection)
    if (this.#quiet) return
    if (this.#random.next() < CALLS_IN_EVENT) this.act(1 + this.#random.below(4))
    if (this.#random.next() < CALLS_LATER) {
      const calls = 1 + this.#random.below(4)
      if (this.#random.next() < 0.5) queueMicrotask(() => this.act(calls))
      else void this.world.sleep(this.#random.below(3)).then(() => this.act(calls))
    }
  }

  #events(): SockManEvents {
    return {
      onAccepted: (id, me, them, listener) => {
        const connection = this.begin(id, 'open')
        let verdict = true
        if (listener && !this.listeners.has(listener)) this.count('accepted after the listener was closed')
        this.#event('onAccepted', id, () => {
          Object.assign(connection, { me: `${me}`, them: `${them}` })
        })
        if (!this.#quiet && this.#random.next() < 0.05) {
          verdict = false
          if (connection.state !== 'ended') this.#end(connection)
        }
        return verdict
      },
      onConnected: (id, me, them) =>
        this.#event('onConnected', id, (connection) => {
          Object.assign(connection, { state: 'open', me: `${me}`, them: `${them}` })
        }),
      onConnectFailed: (id, error) =>
        this.#event('onConnectFailed', id, (connection) => {
          this.count(error.code)
          if (!CONNECT_ERRORS.includes(error.code)) this.fault(`id ${id}: ${error.stack}`)
          this.#end(connection)
        }),
      onData: (id, data) =>
        this.#event('onData', id, (connection) => {
          if (connection.state !== 'open') this.fault(`data of id ${id}, which is ${connection.state}`)
          this.count('bytes received', data.length)
          this.#read(connection, connection.reader, data)
        }),
      onEof: (id) =>
        this.#event('onEof', id, (connection) => {
          connection.state = 'eof'
          connection.hadEof = true
          if (this.#quiet) this.close(connection, {})
        }),
      onError: (id, error) =>
        this.#event('onError', id, (connection) => {
          this.count(error.code)
          if (!ERRORS.includes(error.code)) this.fault(`id ${id}: ${error.stack}`)
          connection.state = 'error'
          connection.hadError = true
          if (this.#quiet && !this.#stopping) this.close(connection, {})
        }),
      onSent: (id, bytes) =>
        this.#event('onSent', id, (connection) => {
          const { taken } = connection.writer
          if (!connection.notifyDue) this.fault(`onSent of ${connection}, which nobody asked for`)
          if (bytes > taken) this.fault(`onSent of ${connection} says ${bytes} bytes of ${taken}`)
          if (bytes === taken) connection.notifyDue = false
        }),
      onIdle: (id) =>
        this.#event('onIdle', id, (connection) => {
          if (!connection.limited) this.fault(`onIdle of ${connection}, which nobody asked for`)
        }),
      onReadyToSend: (id) => this.#event('onReadyToSend', id, (connection) => connection.giveBack()),
      onClosed: (id, unsentBytes) =>
        this.#event('onClosed', id, (connection) => {
          if (connection.state === 'ended') this.fault(`a second end of id ${id}`)
          const { taken } = connection.writer
          if (!Number.isInteger(unsentBytes) || unsentBytes < 0 || unsentBytes > taken)
            this.fault(`id ${id}: ${unsentBytes} bytes unsent of ${taken}`)
          connection.unsent = unsentBytes
          connection.closed = true
          this.#end(connection)
        }),
      onListenError: (_, error) => {
        this.count(`listen ${error.code}`)
        this.fault(`listener: ${error.stack}`)
      },
    }
  }

  #read(connection: Connection, reader: TagReader, data: Uint8Array): void {
    const known = reader.key !== undefined
    const fault = reader.feed(data)
    if (fault !== undefined) this.fault(`id ${connection.id} received a foreign byte: ${fault}`)
    if (known || reader.key === undefined) return
    const other = this.#senders.get(reader.key)
    if (other) this.fault(`ids ${other.id} and ${connection.id} received the same stream, ${reader.key}`)
    this.#senders.set(reader.key, connection)
  }

  #end(connection: Connection): void {
    connection.state = 'ended'
    connection.giveBack()
    this.live.delete(connection.id)
    if (this.live.size === 0) this.#allEnded()
  }

  /** What broke the grammar of events. */
  get violations(): readonly string[] {
    return this.#log.violations
  }
}

const ERRORS = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT']
const CONNECT_ERRORS = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'ABORT_ERR',
  'EAGAIN',
  'ENOENT',
  'EADDRNOTAVAIL',
]
