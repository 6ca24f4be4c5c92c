import { Random } from '../../packages/core/src/memory/random'

/** Keys from here on are of the streams of callers, those below of the peers'. */
export const CALLERS = 2 ** 31
/** So many keys belong to one process, which uses some thousands in a round of five seconds. */
export const PROCESS_KEYS = 2 ** 18

/** Every byte stream begins with this many bytes that say whose it is. */
export const HEADER = 8

/**
 * A stream is a stretch of this table from a place that follows from its key: a byte that comes on another connection,
 * twice, too early or not at all does not fit what surrounds it there. The table stands twice in a row, so that a
 * stretch never wraps.
 */
const SIZE = 1 << 20
const table = Buffer.alloc(2 * SIZE)
const random = new Random(SIZE)
for (let at = 0; at < SIZE; at += 4) table.writeUInt32LE(random.below(2 ** 32), at)
table.copy(table, SIZE, 0, SIZE)

/** A number that follows from the key and is not near that of the next key (the finalizer of MurmurHash3). */
function mixed(key: number): number {
  let mix = Math.imul(key ^ (key >>> 16), 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}

function header(key: number): Buffer {
  const bytes = Buffer.alloc(HEADER)
  bytes.writeUInt32LE(key, 0)
  bytes.writeUInt32LE(mixed(key), 4)
  return bytes
}

/** Where in the table the byte `offset` of the stream stands. */
const place = (key: number, offset: number): number => ((mixed(key) % SIZE) + offset) % SIZE

/** The stream of a key, byte after byte. */
export class TagWriter {
  readonly key: number
  #offset = 0

  /** @param key whole, from 0 to below 2^32 */
  constructor(key: number) {
    this.key = key
  }

  /** How many bytes have been taken. */
  get taken(): number {
    return this.#offset
  }

  /** The next `length` bytes, in memory of their own. */
  take(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    const head = Math.min(length, Math.max(0, HEADER - this.#offset))
    if (head > 0) header(this.key).copy(bytes, 0, this.#offset, this.#offset + head)
    for (let at = head; at < length; ) {
      const from = place(this.key, this.#offset + at)
      at += table.copy(bytes, at, from, from + Math.min(SIZE, length - at))
    }
    this.#offset += length
    return bytes
  }

  /** Takes back what was not sent after all. */
  untake(length: number): void {
    this.#offset -= length
  }
}

/** Reads a stream and finds out whose it is; says what is wrong with it. */
export class TagReader {
  /** Known once the header is there. */
  key: number | undefined
  /** Bytes so far. */
  received = 0
  readonly #head = Buffer.alloc(HEADER)

  /** @returns what is wrong with the bytes, undefined when they are the next of the stream */
  feed(chunk: Uint8Array): string | undefined {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    let at = 0
    if (this.received < HEADER) {
      at = bytes.copy(this.#head, this.received, 0, Math.min(bytes.length, HEADER - this.received))
      this.received += at
      if (this.received < HEADER) return undefined
      const key = this.#head.readUInt32LE(0)
      if (!header(key).equals(this.#head)) return `begins with ${this.#head.toString('hex')}, no header`
      this.key = key
    }
    while (at < bytes.length) {
      const from = place(this.key!, this.received)
      const length = Math.min(SIZE, bytes.length - at)
      if (table.compare(bytes, at, at + length, from, from + length) !== 0) {
        let wrong = 0
        while (table[from + wrong] === bytes[at + wrong]) wrong++
        const found = bytes.subarray(at + wrong, at + Math.min(wrong + 16, length)).toString('hex')
        const wanted = table.subarray(from + wrong, from + Math.min(wrong + 16, length)).toString('hex')
        return `byte ${this.received + wrong} of the stream of ${this.key}: ${found} instead of ${wanted}`
      }
      at += length
      this.received += length
    }
    return undefined
  }
}
