const HASH_SIZE = 32
const PER_CHUNK = 16_384

/**
 * Hashes in order, each of them once, 40 to 48 bytes per hash: a peer decides how many there are, and millions of small buffers
 * would take ten times as much.
 */
export class HashList {
  readonly #chunks: Buffer[] = []
  #length = 0
  /** Open addressing: position + 1 of the hash that has the slot, 0 where none has. */
  #slots = new Uint32Array(1024)

  get length(): number {
    return this.#length
  }

  /** A view of 32 bytes. */
  at(position: number): Buffer {
    const from = (position % PER_CHUNK) * HASH_SIZE
    return this.#chunks[Math.floor(position / PER_CHUNK)]!.subarray(from, from + HASH_SIZE)
  }

  /** Appends a copy; false, and nothing is appended, when the hash is there already. */
  push(hash: Buffer): boolean {
    if (2 * (this.#length + 1) > this.#slots.length) this.#grow()
    const slot = this.#slotOf(hash)
    if (this.#slots[slot] !== 0) return false
    if (this.#length % PER_CHUNK === 0) this.#chunks.push(Buffer.allocUnsafe(PER_CHUNK * HASH_SIZE))
    const position = this.#length++
    this.at(position).set(hash)
    this.#slots[slot] = position + 1
    return true
  }

  /** The slot that has the hash, else the free one where it belongs. */
  #slotOf(hash: Buffer): number {
    // The first bytes of a block's hash are as good as random: those that are zero stand at the end.
    const mask = this.#slots.length - 1
    let slot = hash.readUInt32LE(0) & mask
    for (let found = this.#slots[slot]!; found !== 0; found = this.#slots[slot]!) {
      if (this.at(found - 1).equals(hash)) break
      slot = (slot + 1) & mask
    }
    return slot
  }

  #grow(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length)
    for (let position = 0; position < this.#length; position++) {
      this.#slots[this.#slotOf(this.at(position))] = position + 1
    }
  }
}
