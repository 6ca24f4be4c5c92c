import { SockAddr } from '@sockman/core'
import { BenchError } from '../errors'
import { ECHO } from '../paths'
import { Companion, type Usage } from '../server/companion'

export type EchoQuestion = { type: 'listen'; row: string } | { type: 'usage' }

export type EchoMessage =
  | { type: 'listening'; address: string; row: string }
  | ({ type: 'usage' } & Usage)
  | { type: 'error'; message: string }

/** The server under test, in a process of its own. Owned by who starts it: `stop` it. */
export class EchoServer implements AsyncDisposable {
  readonly address: SockAddr
  /** What really runs. */
  readonly row: string
  readonly #companion: Companion<EchoQuestion, EchoMessage>

  private constructor(address: SockAddr, row: string, companion: Companion<EchoQuestion, EchoMessage>) {
    this.address = address
    this.row = row
    this.#companion = companion
  }

  /** @throws BenchError with the reason of the child */
  static async start(row: string): Promise<EchoServer> {
    const companion = new Companion<EchoQuestion, EchoMessage>(ECHO, 'the server under test')
    try {
      const answer = await companion.ask({ type: 'listen', row })
      if (answer.type !== 'listening')
        throw new BenchError(answer.type === 'error' ? answer.message : 'no listener')
      return new EchoServer(SockAddr.parse(answer.address), answer.row, companion)
    } catch (error) {
      await companion.stop()
      throw error
    }
  }

  /** CPU seconds since its start. @throws BenchError when it has ended */
  async usage(): Promise<Usage> {
    const answer = await this.#companion.ask({ type: 'usage' })
    if (answer.type !== 'usage') throw new BenchError('the server under test does not answer')
    return answer
  }

  /** Ends the process and waits for it. */
  stop(): Promise<void> {
    return this.#companion.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
