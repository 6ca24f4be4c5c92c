import type { Endpoint } from './endpoint'
import type { Listening } from './listening'

/**
 * Sockets between two owners, by number: what a `Sock` of this host releases, a SockMan of it adopts. Numbers are not
 * used again, so that a stale one never names another socket.
 */
export class SocketTable {
  readonly #sockets = new Map<number, Endpoint | Listening>()
  #last = 2

  /** The table owns the socket until somebody takes it. */
  add(socket: Endpoint | Listening): number {
    this.#sockets.set(++this.#last, socket)
    return this.#last
  }

  /** The caller owns it from now on; undefined for a number that names none. */
  take(number: number): Endpoint | Listening | undefined {
    const socket = this.#sockets.get(number)
    this.#sockets.delete(number)
    return socket
  }
}
