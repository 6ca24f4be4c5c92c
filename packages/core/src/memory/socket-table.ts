import type { Socket } from './socket'

/** Beyond the descriptors of the process. Numbers are not used again: a stale or foreign one never names another socket. */
let last = 1 << 20

/** The descriptors of a network: what a Sock has, and what one that releases it leaves to a SockMan. */
export class SocketTable {
  readonly #sockets = new Map<number, Socket>()

  /** The table owns the socket until somebody takes it. */
  add(socket: Socket): number {
    this.#sockets.set(++last, socket)
    return last
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
