import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PeerAddresses, PeerReport, Peers } from './peers'

/** Hostile peers in another process, which can stand still and be killed as a whole. */
export class PeerHost implements Peers {
  readonly #process: ChildProcess
  readonly #exited: Promise<unknown>

  constructor(seed: number, firstKey: number) {
    this.#process = fork(fileURLToPath(new URL('./peer-process.js', import.meta.url)), [
      `${seed}`,
      `${firstKey}`,
    ])
    this.#exited = once(this.#process, 'exit')
  }

  open(): Promise<PeerAddresses> {
    return this.#ask('open')
  }

  visit(addresses: readonly string[]): void {
    this.#tell({ call: 'visit', addresses })
  }

  finish(): Promise<PeerReport[]> {
    return this.#ask('finish')
  }

  freeze(ms: number): void {
    this.#tell({ call: 'freeze', ms })
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  async close(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect()
    await this.#exited
  }

  #tell(message: object): void {
    // It may be killed at any moment: nobody is there to be told.
    if (this.#process.connected) this.#process.send(message, () => {})
  }

  /** Rejects when the process ends before it answers. */
  async #ask<T>(call: string): Promise<T> {
    const ended = new AbortController()
    const end = this.#exited.then(() => ended.abort(new Error('the process of the peers has ended')))
    this.#tell({ call })
    const answer = once(this.#process, 'message', { signal: ended.signal })
    const [value] = await Promise.race([answer, end.then(() => answer)])
    return value as T
  }
}
