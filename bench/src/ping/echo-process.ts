import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { SockAddr } from '@sockman/core'
import { BenchError } from '../errors'
import { ECHO } from '../paths'
import { endOf } from '../server/helper'

export type EchoQuestion = { type: 'listen'; row: string } | { type: 'usage' }

export type EchoMessage =
  | { type: 'listening'; address: string; row: string }
  /** CPU seconds since its start. */
  | { type: 'usage'; user: number; system: number }
  | { type: 'error'; message: string }

/** The server under test, in a process of its own. Owned by who starts it: `stop` it. */
export class EchoServer implements AsyncDisposable {
  readonly address: SockAddr
  /** What really runs. */
  readonly row: string
  readonly #child: ChildProcess
  readonly #ended: Promise<string>

  private constructor(address: SockAddr, row: string, child: ChildProcess, ended: Promise<string>) {
    this.address = address
    this.row = row
    this.#child = child
    this.#ended = ended
  }

  /** @throws BenchError with the reason of the child */
  static async start(row: string): Promise<EchoServer> {
    const child = fork(ECHO)
    const ended = endOf(child)
    try {
      const answer = await ask(child, ended, { type: 'listen', row })
      if (answer.type !== 'listening')
        throw new BenchError(answer.type === 'error' ? answer.message : 'no listener')
      return new EchoServer(SockAddr.parse(answer.address), answer.row, child, ended)
    } catch (error) {
      if (child.connected) child.disconnect()
      await ended
      throw error
    }
  }

  /** CPU seconds since its start. @throws BenchError when it has ended */
  async usage(): Promise<{ user: number; system: number }> {
    const answer = await ask(this.#child, this.#ended, { type: 'usage' })
    if (answer.type !== 'usage') throw new BenchError('the server under test does not answer')
    return answer
  }

  /** Ends the process and waits for it. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

async function ask(
  child: ChildProcess,
  ended: Promise<string>,
  question: EchoQuestion,
): Promise<EchoMessage> {
  const stop = new AbortController()
  const answer = once(child, 'message', { signal: stop.signal }).then(([message]) => message as EchoMessage)
  child.send(question, () => {}) // a child that has ended is told by `ended`
  const end = ended.then((how) => {
    throw new BenchError(`the server under test ended: ${how}`)
  })
  try {
    return await Promise.race([answer, end])
  } finally {
    stop.abort()
    answer.catch(() => {})
    end.catch(() => {})
  }
}
