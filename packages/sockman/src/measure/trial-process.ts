import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { SockAddr } from '@sockman/core'
import { TRIAL } from '../paths'
import { MeasureError } from './errors'

export type Question = { readonly type: 'open'; readonly row: string } | { readonly type: 'count' }

/** Of the process under test: bytes that came in, CPU seconds it took, and when, in seconds. */
export interface Count {
  readonly bytes: number
  readonly cpu: number
  readonly time: number
}

export type Answer =
  | { readonly type: 'open'; readonly row: string; readonly sink: string; readonly echo: string }
  | ({ readonly type: 'count' } & Count)
  | { readonly type: 'error'; readonly message: string }

/** A SockMan in a process of its own, which takes in bytes at one address and sends them back at another. */
export class TrialProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  /** What really runs. */
  row = ''
  sink!: SockAddr
  echo!: SockAddr

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`))
    })
  }

  /** @param abort kills it @throws MeasureError with its reason; the abort's reason */
  static async start(row: string, abort: AbortSignal): Promise<TrialProcess> {
    abort.throwIfAborted()
    const child = fork(TRIAL, { signal: abort, killSignal: 'SIGKILL' })
    const trial = new TrialProcess(child)
    try {
      const answer = await trial.#ask({ type: 'open', row })
      if (answer.type !== 'open')
        throw new MeasureError(answer.type === 'error' ? answer.message : 'no listener')
      trial.row = answer.row
      trial.sink = SockAddr.parse(answer.sink)
      trial.echo = SockAddr.parse(answer.echo)
      return trial
    } catch (error) {
      await trial[Symbol.asyncDispose]()
      abort.throwIfAborted()
      throw error
    }
  }

  /** @throws MeasureError when it has ended */
  async count(): Promise<Count> {
    const answer = await this.#ask({ type: 'count' })
    if (answer.type !== 'count') throw new MeasureError('the process under test does not answer')
    return answer
  }

  /** Ends the process and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
  }

  async #ask(question: Question): Promise<Answer> {
    const stop = new AbortController()
    const answer = once(this.#child, 'message', { signal: stop.signal }).then(
      ([message]) => message as Answer,
    )
    answer.catch(() => {}) // given up below
    this.#child.send(question, () => {}) // a child that has ended is told by `ended`
    const end = this.#ended.then((how) => {
      throw new MeasureError(`the process under test ended: ${how}`)
    })
    end.catch(() => {})
    try {
      return await Promise.race([answer, end])
    } finally {
      stop.abort()
    }
  }
}
