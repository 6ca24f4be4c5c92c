import type { Socket } from './socket'

/**
 * The descriptors of a host: what a Sock has, and what one that releases it leaves to a SockMan. Numbers are not used
 * again, so that a stale one never names another socket.
 */
export class SocketTable {
  readonly #sockets = new Map<number, Socket>()
  #last = 2

  /** The table owns the socket until somebody takes it. */
  add(socket: Socket): number {
    this.#sockets.set(++this.#last, socket)
    return this.#last
  }

  /** Undefined for a number that names none. */
  get(number: number): Socket | undefined {
    return this.#sockets.get(number)
  }

  /** The same, and the caller owns it from now on. */
  take(number: number): Socket | undefined {
    const socket = this.#sockets.get(number)
    this.#sockets.delete(number)
    return socket
  }
}
