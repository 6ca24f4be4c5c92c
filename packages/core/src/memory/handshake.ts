import type { SockAddr } from '../address'
import { Endpoint } from './endpoint'
import type { Listening } from './listening'
import { Pipe } from './pipe'
import type { Route } from './route'
import type { Entry, Target } from './schedule'
import type { World } from './world'

const SYN = 0
const SYN_ACK = 1
/** RST, an ICMP message, or the kernel's own answer; the value is an errno. */
const REFUSAL = 2
const RETRY = 3

/** Linux sends SYN again after 1 s, then after twice as long each time, and gives up after 64 s (`tcp_syn_retries`, tcp(7)). */
const FIRST_RETRY = 1000
const LAST_RETRY = 64_000
const ETIMEDOUT = -110

/** How the other side answers a SYN: a listener, an errno, or nothing; `oneself` where there is no other side. */
export type Answer = Listening | number | 'oneself' | undefined

export interface Way {
  readonly route: Route
  readonly back: Route
  /** Looks up, when the SYN arrives, who is there. */
  answer(): Answer
  /** The address of the accepted end, as that listener shows it. */
  show(address: SockAddr, listening: Listening): SockAddr
}

/** Lays the two pipes between the ends of a connection; a Unix socket's have no route. */
export function join(world: World, client: Endpoint, server: Endpoint, there?: Route, back?: Route): void {
  client.outgoing = server.incoming = new Pipe(world, client, server, there, back)
  client.incoming = server.outgoing = new Pipe(world, server, client, back, there)
}

/** The making of a connection, from `connect` on. Nothing of it is left once the client knows the outcome. */
export class Handshake implements Target {
  readonly #world: World
  readonly #client: Endpoint
  readonly #way: Way
  readonly #release: (() => void) | undefined
  #retry: Entry | undefined
  #wait = FIRST_RETRY

  constructor(world: World, client: Endpoint, way: Way) {
    this.#world = world
    this.#client = client
    this.#way = way
    this.#release = client.release
    client.release = () => {
      this.#world.clock.cancel(this.#retry)
      this.#release?.()
    }
  }

  begin(): void {
    this.#world.note('connect', this.#client.me, this.#client.them, 0)
    this.#way.route.send(this, SYN, 0, 0)
  }

  happen(what: number, value: number): boolean {
    if (what === RETRY) {
      if (this.#wait > LAST_RETRY) this.#client.fail(ETIMEDOUT)
      else this.#way.route.send(this, SYN, 0, 0)
    } else if (what === SYN) {
      if (!this.#way.route.holds(this, what, value) && !this.#client.closed) this.#onSyn()
    } else if (!this.#way.back.holds(this, what, value)) {
      this.#settle(what, value)
    }
    return false
  }

  #onSyn(): void {
    const { me, them } = this.#client
    const answer = this.#way.answer()
    if (typeof answer === 'number') {
      this.#world.note('refused', them, me, 0)
      this.#way.back.send(this, REFUSAL, answer, 0)
    } else if (answer === 'oneself') {
      // Both ends are one: what goes out comes in (RFC 9293, simultaneous open).
      join(this.#world, this.#client, this.#client, this.#way.route, this.#way.back)
      this.#way.back.send(this, SYN_ACK, 0, 0)
    } else if (answer === undefined || answer.full) {
      this.#world.note('dropped', them, me, 0)
      if (!answer) return
      this.#retry = this.#world.clock.limit(this.#world.clock.now + this.#wait, this, RETRY)
      this.#wait *= 2
    } else {
      this.#establish(answer)
    }
  }

  #establish(listening: Listening): void {
    const { route, back, show } = this.#way
    const client = this.#client
    const server = new Endpoint(this.#world, show(client.them, listening), show(client.me, listening))
    if (client.them.family === 'unix') join(this.#world, client, server)
    else join(this.#world, client, server, route, back)
    server.connected = true
    this.#world.note('established', server.me, server.them, 0)
    server.outgoing!.notBefore(back.send(this, SYN_ACK, 0, 0))
    listening.push(server)
  }

  #settle(what: number, errno: number): void {
    const client = this.#client
    if (what === SYN_ACK) {
      client.connected = true
      // Closed meanwhile: the other side took it for a connection.
      if (client.closed) return client.outgoing!.abort()
      if (this.#release) client.release = this.#release
      else client.release = undefined
      client.changed()
    } else if (!client.closed) {
      client.fail(errno)
    }
  }
}
