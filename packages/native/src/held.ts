import { type Bytes, copyOf, Fifo } from '@sockman/core'

/** Data held for paused connections: copied out of the receive memory, whose block goes back at once. */
export class HeldData {
  readonly #chunks = new Map<number, { list: Fifo<Bytes>; bytes: number; delivered: number }>()
  #bytes = 0

  /** Of all connections. */
  get bytes(): number {
    return this.#bytes
  }

  has(slot: number): boolean {
    return this.#bytes > 0 && (this.#chunks.get(slot)?.bytes ?? 0) > 0
  }

  bytesOf(slot: number): number {
    return this.#chunks.get(slot)?.bytes ?? 0
  }

  add(slot: number, data: Uint8Array): void {
    const held = this.#chunks.get(slot) ?? { list: new Fifo<Bytes>(), bytes: 0, delivered: 0 }
    held.list.add(copyOf(data))
    held.bytes += data.length
    this.#bytes += data.length
    this.#chunks.set(slot, held)
  }

  /** The next chunk, undefined when nothing is held. */
  take(slot: number): Bytes | undefined {
    const held = this.#chunks.get(slot)
    const data = held?.list.take()
    if (!held || !data) return undefined
    held.bytes -= data.length
    held.delivered += data.length
    this.#bytes -= data.length
    return data
  }

  /** Ends a hold: the bytes that were delivered out of it. */
  settle(slot: number): number {
    const delivered = this.#chunks.get(slot)?.delivered ?? 0
    this.drop(slot)
    return delivered
  }

  /** Forgets what is held; how many bytes that were. */
  drop(slot: number): number {
    const bytes = this.bytesOf(slot)
    this.#bytes -= bytes
    this.#chunks.delete(slot)
    return bytes
  }
}
