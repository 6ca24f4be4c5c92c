import { type ChildProcess, fork, type Serializable } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { BenchError } from '../errors'
import { endOf } from './helper'

/** CPU seconds of a process since its start, all threads. */
export interface Usage {
  readonly user: number
  readonly system: number
  /** Seconds for which a thread could have run and had no CPU; 0 where the system does not tell. */
  readonly waited: number
}

/** Of the calling process. */
export function ownUsage(): Usage {
  const { user, system } = process.cpuUsage()
  return { user: user / 1e6, system: system / 1e6, waited: waited() / 1e9 }
}

/** Nanoseconds: the second number of schedstat, of the threads that live. */
function waited(): number {
  const tasks = '/proc/self/task'
  try {
    const each = readdirSync(tasks).map((id) => readFileSync(`${tasks}/${id}/schedstat`, 'utf8'))
    return each.reduce((sum, text) => sum + Number(text.split(' ')[1]), 0)
  } catch {
    return 0
  }
}

/** An entry of this package in a process of its own, which answers each question. Owned by who starts it: `stop` it. */
export class Companion<Question extends Serializable, Answer> {
  readonly #child: ChildProcess
  readonly #who: string
  readonly #ended: Promise<string>

  /** @param who it is, for messages */
  constructor(entry: string, who: string) {
    this.#child = fork(entry)
    this.#who = who
    this.#ended = endOf(this.#child)
  }

  /** One question at a time. @throws BenchError when it has ended */
  async ask(question: Question): Promise<Answer> {
    const stop = new AbortController()
    const answer = once(this.#child, 'message', { signal: stop.signal }).then(
      ([message]) => message as Answer,
    )
    this.#child.send(question, () => {}) // a child that has ended is told by `ended`
    const end = this.#ended.then((how) => {
      throw new BenchError(`${this.#who} ended: ${how}`)
    })
    try {
      return await Promise.race([answer, end])
    } finally {
      stop.abort()
      answer.catch(() => {})
      end.catch(() => {})
    }
  }

  /** Ends the process and waits for it. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
  }
}
