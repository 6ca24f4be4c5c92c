import type { SockAddr } from '@sockman/core'
import { BenchError } from '../errors'
import { RATE_PEER } from '../paths'
import { Companion, type Usage } from '../server/companion'

/** What the other side does on each connection: sends all it can, reads all it can, or one byte each way and no more. */
export type Traffic = 'flood' | 'drain' | 'silence'

export type PeerQuestion =
  | { type: 'connect'; host: string; port: number; connections: number; traffic: Traffic }
  | { type: 'usage' }

export type PeerMessage =
  | { type: 'connected' }
  | ({ type: 'usage' } & Usage)
  | { type: 'error'; message: string }

/** The other side of a measurement, without limits, in a process of its own. Owned by who starts it. */
export class RatePeer implements AsyncDisposable {
  readonly #companion = new Companion<PeerQuestion, PeerMessage>(RATE_PEER, 'the other side')

  /** Resolves when all connections are there. @throws BenchError with the reason of the child */
  async connect({ host, port }: SockAddr, connections: number, traffic: Traffic): Promise<void> {
    const answer = await this.#companion.ask({ type: 'connect', host, port, connections, traffic })
    if (answer.type !== 'connected')
      throw new BenchError(answer.type === 'error' ? answer.message : 'the other side does not connect')
  }

  /** CPU seconds since its start. @throws BenchError when it has ended */
  async usage(): Promise<Usage> {
    const answer = await this.#companion.ask({ type: 'usage' })
    if (answer.type !== 'usage') throw new BenchError('the other side does not answer')
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#companion.stop()
  }
}
