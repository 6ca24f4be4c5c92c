import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import type { SockError } from '../errors'
import type { ConnectionOptions, ConnectOptions, ListenOptions, SockManOptions } from '../options'
import type { ConnectionId, EventName, Listener, SockMan, SockManEvents } from '../sock-man'
import { type Child, runChild } from './children'
import type { Facts } from './harness'
import { within } from './limit'
import type { Peer, PeerFamily, PeerListener, PeerNetwork } from './peers'
import { Recorder } from './recorder'

/** What `PeerNetwork.capacity` is on Linux: the sizes in the cases are for it. */
const LINUX_CAPACITY = 24 << 20

/** A SockMan under test and what is known of its events. */
export interface Watched {
  readonly man: SockMan
  readonly log: Recorder
}

/** A connection between a SockMan and a peer. */
export interface Pair {
  readonly id: ConnectionId
  readonly peer: Peer
}

/** One run of one case: owns the SockMans and the peers, ends them, and looks for what was left behind. */
export class Trial {
  readonly facts: Facts
  readonly network: PeerNetwork
  /** Of connections between peers. */
  #server: PeerListener | undefined
  readonly #opened: Watched[] = []
  readonly #unwatched: SockMan[] = []
  readonly #children: Child[] = []
  /** Descriptors that are not the SockMans': those from before, and the pipes of children. */
  readonly #foreign: Set<string>

  /** Runs a case within a deadline of `limit` ms; past that it fails with what was awaited and the last events. */
  static async run(facts: Facts, limit: number, body: (trial: Trial) => Promise<void>): Promise<void> {
    const trial = new Trial(facts)
    let ended = false
    try {
      await within(limit, 'the case has not ended', body(trial))
      ended = true
    } catch (error) {
      if (error instanceof Error) error.message += trial.#report()
      throw error
    } finally {
      await within(5000, 'stop() has not resolved', trial.#end(ended))
    }
  }

  private constructor(facts: Facts) {
    this.facts = facts
    this.#foreign = facts.supports.descriptors ? openDescriptors() : new Set()
    this.network = facts.network()
  }

  get supports(): Facts['supports'] {
    return this.facts.supports
  }

  /** The quick or the full size of a case. */
  size(quick: number, full: number): number {
    return this.facts.full ? full : quick
  }

  /** Bytes that are many for Linux, as a number that is as many for the buffers of this network. */
  bytes(quick: number, full = quick): number {
    return Math.ceil((this.size(quick, full) * this.network.capacity) / LINUX_CAPACITY)
  }

  /**
   * Sends more than the kernels can hold for a peer that does not read, so that a queue remains, and answers how much.
   */
  fillUp(man: SockMan, id: ConnectionId, chunk: Uint8Array): number {
    let sent = 0
    for (; sent < this.network.capacity; sent += chunk.length) man.send(id, chunk)
    assert.equal(man.send(id, chunk), false)
    return sent + chunk.length
  }

  /** A recorded SockMan; `without` leaves handlers out, the others are all there. */
  open(
    events: SockManEvents = {},
    options: SockManOptions = {},
    without: readonly EventName[] = [],
  ): Watched {
    const log = new Recorder()
    const { backend, drive } = this.facts
    const watched = {
      log,
      man: log.watch(backend.createSockMan(log.handlers(events, without), { drive, ...options })),
    }
    this.#opened.push(watched)
    return watched
  }

  /** A SockMan with exactly these handlers and nothing between. */
  openPlain(events: SockManEvents, options: SockManOptions = {}): SockMan {
    const man = this.facts.backend.createSockMan(events, { drive: this.facts.drive, ...options })
    this.#unwatched.push(man)
    return man
  }

  /** A peer's connection into a fresh listener of the SockMan (default family: the network's first). */
  async inbound(watched: Watched, family?: PeerFamily, options?: ListenOptions): Promise<Pair> {
    return this.into(watched, watched.man.listen(this.network.address(family), options))
  }

  /** A peer's connection into that listener. */
  async into({ log }: Watched, listener: Listener): Promise<Pair> {
    const count = log.accepted.length
    const peer = await this.network.connect(listener.address.toString())
    await log.until('a connection to be accepted', () => log.accepted.length > count)
    return { id: log.accepted[count]!, peer }
  }

  /** A byte comes on a connection of its own, twice: what was there before has been looked at. */
  async look(watched: Watched): Promise<void> {
    const { id, peer } = await this.inbound(watched)
    for (const bytes of [1, 2]) {
      await peer.send(Buffer.from('x'))
      await watched.log.receive(id, bytes)
    }
  }

  /** The SockMan's connection to a fresh listening peer. */
  async outbound({ man, log }: Watched, family?: PeerFamily, options?: ConnectOptions): Promise<Pair> {
    const server = await this.network.listen(family)
    const id = man.connect(server.address, options)
    const [peer] = await Promise.all([server.accept(), log.event(id, 'connected')])
    return { id, peer }
  }

  /** Connections between peers, for a control: what `node:net` does in the SockMan's stead. */
  async peers(count = 1): Promise<readonly (readonly [near: Peer, far: Peer])[]> {
    this.#server ??= await this.network.listen()
    const pairs: [Peer, Peer][] = []
    while (pairs.length < count)
      pairs.push(await Promise.all([this.network.connect(this.#server.address), this.#server.accept()]))
    return pairs
  }

  /** Two ends of one connection, both of the same SockMan. */
  async loop(
    { man, log }: Watched,
    family?: PeerFamily,
    options?: ConnectionOptions,
  ): Promise<{ near: ConnectionId; far: ConnectionId }> {
    const listener = man.listen(this.network.address(family), options)
    const count = log.accepted.length
    const near = man.connect(listener.address, options)
    await log.event(near, 'connected')
    await log.until('the other end to be accepted', () => log.accepted.length > count)
    return { near, far: log.accepted[count]! }
  }

  /** Runs a scenario of `child.ts` in a process of its own. */
  child(scenario: string, ...args: string[]): Child {
    return this.#own(() => runChild(this.facts, scenario, args))
  }

  /** The same with at most so many descriptors. */
  limitedChild(descriptors: number, scenario: string, ...args: string[]): Child {
    return this.#own(() => runChild(this.facts, scenario, args, descriptors))
  }

  #own(run: () => Child): Child {
    // Its pipes are the runtime's own affair: Bun may close them after it said so.
    const child = this.lasting(run)
    this.#children.push(child)
    return child
  }

  /** Does what opens descriptors that need not be closed by the end of the case. */
  lasting<T>(run: () => T): T {
    const before = openDescriptors()
    const result = run()
    for (const it of openDescriptors()) if (!before.has(it)) this.#foreign.add(it)
    return result
  }

  async #end(ended: boolean): Promise<void> {
    const men = [...this.#opened.map(({ man }) => man), ...this.#unwatched]
    const stopped = await Promise.allSettled(men.map((man) => man.stop()))
    await Promise.all([this.network.close(), ...this.#children.map((child) => child.close())])
    if (!ended) return
    for (const result of stopped) if (result.status === 'rejected') throw result.reason
    for (const { log } of this.#opened) assert.deepEqual(log.violations, [], log.toString())
    if (!this.supports.descriptors) return
    const left = [...openDescriptors()].filter((it) => !this.#foreign.has(it))
    assert.deepEqual(left, [], 'descriptors left open')
  }

  #report(): string {
    const more = this.network.report?.()
    const logs = this.#opened.map(({ log }, index) => `\nSockMan ${index + 1}: ${log}`)
    return [...logs, ...(more === undefined ? [] : [`\n${more}`])].join('')
  }
}

/** Sockets, pipes, rings and events of this process, as `number -> what`. */
export function openDescriptors(): Set<string> {
  const found = new Set<string>()
  for (const number of readdirSync('/proc/self/fd')) {
    try {
      const what = readlinkSync(`/proc/self/fd/${number}`)
      if (/^(socket|pipe|anon_inode):/.test(what)) found.add(`${number} -> ${what}`)
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return found
}

/** Lets the loop turn once: what was scheduled for "the next batch" may come. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Asserts that the call throws a SockError of that code, and answers it. */
export function throwsCode(code: string, call: () => unknown): SockError {
  let thrown: unknown
  try {
    call()
  } catch (error) {
    thrown = error
  }
  assert.ok(thrown instanceof Error, `expected ${code}, nothing was thrown`)
  assert.equal((thrown as SockError).code, code, thrown.stack)
  assert.equal(thrown.name, 'SockError')
  return thrown as SockError
}
