import type { NativeEngine } from './binding'

const ENTRIES = 1024
const ENTRY_WORDS = 4

/** Bytes of cork memory beside its entries, for a `copyThreshold`. */
export function corkSize(copyThreshold: number): number {
  return Math.max(64 * 1024, 4 * copyThreshold)
}

/**
 * Small sends of one callback, gathered and handed over in one native call (C60). All small sends take this way
 * (docs/native.md, N14).
 */
export class Cork {
  readonly #entries: Int32Array
  readonly #bytes: Uint8Array
  #count = 0
  #used = 0

  constructor(memory: ArrayBuffer) {
    this.#entries = new Int32Array(memory, 0, ENTRIES * ENTRY_WORDS)
    this.#bytes = new Uint8Array(memory, ENTRIES * ENTRY_WORDS * 4)
  }

  /** Bytes waiting. */
  get used(): number {
    return this.#used
  }

  fits(length: number): boolean {
    return this.#count < ENTRIES && this.#used + length <= this.#bytes.length
  }

  /** `length` is that of `data`. */
  add(slot: number, data: Uint8Array, length: number, flags: number): void {
    const entries = this.#entries
    const last = (this.#count - 1) * ENTRY_WORDS
    this.#bytes.set(data, this.#used)
    if (this.#count > 0 && entries[last] === slot) {
      entries[last + 2]! += length
      entries[last + 3] = flags
    } else {
      const at = this.#count++ * ENTRY_WORDS
      entries[at] = slot
      entries[at + 1] = this.#used
      entries[at + 2] = length
      entries[at + 3] = flags
    }
    this.#used += length
  }

  /** Sends all of it; gives each connection that has something queued now to `behind`. */
  flush(native: NativeEngine, behind: (slot: number) => void): void {
    const count = this.#count
    if (count === 0) return
    this.#count = 0
    this.#used = 0
    if (native.flush(count) === 0) return
    for (let at = 0; at < count * ENTRY_WORDS; at += ENTRY_WORDS) behind(this.#entries[at]!)
  }
}
