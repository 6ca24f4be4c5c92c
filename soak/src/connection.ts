import type { ConnectionId } from '../../packages/core/src'
import { TagReader, TagWriter } from './tag'

/** What the caller knows of one id. */
export class Connection {
  readonly id: ConnectionId
  state: 'connecting' | 'open' | 'eof' | 'error' | 'closing' | 'ended'
  /** What is sent on it, and what has come. */
  readonly writer: TagWriter
  readonly reader = new TagReader()
  me = ''
  them = ''
  paused = false
  /** `shutdown` was called. */
  shut = false
  /** Its connect was aborted before it was told of. */
  aborted = false
  /** It was closed with a reset. */
  reset = false
  hadEof = false
  hadError = false
  /** It was given a time for being idle, or a rate. */
  limited = false
  /** `onSent` is due: some send was told to notify. */
  notifyDue = false
  /** `onClosed` has come, with so many unsent bytes. */
  closed = false
  unsent = 0
  /** Aborts its connect. */
  controller?: AbortController
  /** What was called about it and what has happened to it, the last of it. */
  readonly #history: string[] = []
  /** Buffers that the SockMan may still read. */
  readonly #lent: Buffer[] = []

  /** @param key of the stream that is sent on it */
  constructor(id: ConnectionId, key: number, state: 'connecting' | 'open') {
    this.id = id
    this.state = state
    this.writer = new TagWriter(key)
  }

  /** No call finds it: its owner has closed it or aborted its connect, or it has ended. */
  get gone(): boolean {
    return this.state === 'ended' || this.state === 'closing' || this.aborted
  }

  note(what: string): void {
    if (this.#history.at(-1) === what) return
    this.#history.push(what)
    if (this.#history.length > 30) this.#history.splice(1, 10)
  }

  /** Which it is, and what is known of it, for the message of a fault. */
  toString(): string {
    return `id ${this.id} (${this.#history.join(', ')})`
  }

  lend(buffer: Buffer): void {
    this.#lent.push(buffer)
  }

  /** What was lent is the caller's again, who writes something else there at once. */
  giveBack(): void {
    for (const buffer of this.#lent) buffer.fill(0xdb)
    this.#lent.length = 0
  }
}
