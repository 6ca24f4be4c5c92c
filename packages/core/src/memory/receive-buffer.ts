import { type Bytes, viewOf } from '../bytes'
import { markReceiveMemory } from '../receive-memory'
import type { Endpoint } from './endpoint'

/** What overwrites a view after its callback. */
const POISON = 0xdb
/** Views begin at odd offsets, each at another one: who takes `data.buffer` for the data sees it at once. */
const OFFSETS = 64

/** The memory that all `onData` views of a SockMan lie in. */
export class ReceiveBuffer {
  readonly #most: number
  readonly #poison: boolean
  #bytes: Uint8Array<ArrayBuffer>
  #turn = 0

  constructor(most: number, poison: boolean) {
    this.#most = most
    this.#poison = poison
    this.#bytes = this.#allocate()
  }

  get size(): number {
    return this.#bytes.length
  }

  /** A view of what a read of at most `most` bytes gives; there must be something to read. */
  read(endpoint: Endpoint, most: number): Bytes {
    // A transferred or detached one is replaced (C77).
    if (this.#bytes.length === 0) this.#bytes = this.#allocate()
    const at = 1 + 2 * (this.#turn++ % OFFSETS)
    return viewOf(this.#bytes.buffer, at, endpoint.read(this.#bytes, at, Math.min(most, this.#most)))
  }

  /** The view is not to be used any more. */
  spoil(data: Uint8Array): void {
    // A detached one has no length.
    if (this.#poison && data.length > 0) data.fill(POISON)
  }

  #allocate(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(markReceiveMemory(new ArrayBuffer(this.#most + 2 * OFFSETS)))
  }
}
