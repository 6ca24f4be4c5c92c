/** Builds little-endian data piece by piece. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = []

  uint8(value: number): this {
    return this.bytes(Uint8Array.of(value))
  }

  uint32(value: number): this {
    const part = Buffer.alloc(4)
    part.writeUInt32LE(value >>> 0)
    return this.bytes(part)
  }

  uint64(value: bigint): this {
    const part = Buffer.alloc(8)
    part.writeBigUInt64LE(value)
    return this.bytes(part)
  }

  /** CompactSize, up to 2³²−1: one, three or five bytes. */
  count(value: number): this {
    if (value < 0xfd) return this.uint8(value)
    if (value <= 0xffff) return this.bytes(Uint8Array.of(0xfd, value & 0xff, value >> 8))
    return this.uint8(0xfe).uint32(value)
  }

  bytes(part: Uint8Array): this {
    this.#parts.push(part)
    return this
  }

  take(): Buffer {
    return Buffer.concat(this.#parts.splice(0))
  }
}

/** Reads little-endian data; every read beyond the end is a RangeError that names the offset. */
export class ByteReader {
  readonly #data: Buffer
  #at: number

  /** @param offset where to begin, bytes */
  constructor(data: Uint8Array, offset = 0) {
    this.#data = Buffer.from(data.buffer, data.byteOffset, data.length)
    this.#at = offset
  }

  get offset(): number {
    return this.#at
  }

  uint8(): number {
    return this.#data[this.#take(1)]!
  }

  uint32(): number {
    return this.#data.readUInt32LE(this.#take(4))
  }

  /** CompactSize. @throws RangeError beyond 2⁵³−1 */
  count(): number {
    const first = this.uint8()
    if (first < 0xfd) return first
    if (first === 0xfd) return this.#data.readUInt16LE(this.#take(2))
    if (first === 0xfe) return this.uint32()
    const value = Number(this.#data.readBigUInt64LE(this.#take(8)))
    if (!Number.isSafeInteger(value)) throw new RangeError(`a count of ${value} at byte ${this.#at - 8}`)
    return value
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const from = this.#take(length)
    return this.#data.subarray(from, from + length)
  }

  skip(length: number): void {
    this.#take(length)
  }

  #take(length: number): number {
    const from = this.#at
    if (length > this.#data.length - from) {
      throw new RangeError(
        `the data ends at byte ${this.#data.length}, ${length} more were expected at ${from}`,
      )
    }
    this.#at += length
    return from
  }
}
