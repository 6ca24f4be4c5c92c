/** Buffers that rings have given back, by size: an idle connection holds none. */
export class BufferPool {
  readonly #free = new Map<number, Uint8Array[]>()

  take(size: number): Uint8Array {
    return this.#free.get(size)?.pop() ?? new Uint8Array(size)
  }

  give(buffer: Uint8Array): void {
    const free = this.#free.get(buffer.length)
    if (!free) this.#free.set(buffer.length, [buffer])
    else if (free.length * buffer.length < KEPT) free.push(buffer)
  }
}

const NONE: Uint8Array = new Uint8Array(0)
const LEAST = 256
/** Of each size, bytes. */
const KEPT = 1 << 20

/** Bytes, first in first out; grows as needed, and holds no memory while it is empty. */
export class ByteRing {
  readonly #pool: BufferPool
  #buffer = NONE
  #start = 0
  length = 0

  constructor(pool: BufferPool) {
    this.#pool = pool
  }

  push(data: Uint8Array, from: number, length: number): void {
    if (this.length + length > this.#buffer.length) this.#grow(this.length + length)
    const buffer = this.#buffer
    const at = (this.#start + this.length) % buffer.length
    const first = Math.min(length, buffer.length - at)
    copy(data, from, buffer, at, first)
    if (first < length) copy(data, from + first, buffer, 0, length - first)
    this.length += length
  }

  /** Copies the first `length` bytes to `into` at `at`. */
  peek(into: Uint8Array, at: number, length: number): void {
    const buffer = this.#buffer
    const first = Math.min(length, buffer.length - this.#start)
    copy(buffer, this.#start, into, at, first)
    if (first < length) copy(buffer, 0, into, at + first, length - first)
  }

  /** Moves the first `length` bytes to `into` at `at`. */
  shift(into: Uint8Array, at: number, length: number): void {
    this.peek(into, at, length)
    this.#start = (this.#start + length) % this.#buffer.length
    this.length -= length
    if (this.length === 0) this.#release()
  }

  /** Forgets the last bytes. */
  truncate(length: number): void {
    this.length = length
    if (length === 0) this.#release()
  }

  #release(): void {
    if (this.#buffer.length > 0) this.#pool.give(this.#buffer)
    this.#buffer = NONE
    this.#start = 0
  }

  #grow(least: number): void {
    let size = Math.max(LEAST, this.#buffer.length)
    while (size < least) size *= 2
    const grown = this.#pool.take(size)
    const { length } = this
    if (length > 0) this.shift(grown, 0, length)
    else this.#release()
    this.#buffer = grown
    this.length = length
  }
}

/** Short ones byte by byte: a view of the part costs more. */
function copy(from: Uint8Array, at: number, to: Uint8Array, position: number, length: number): void {
  if (length <= 64) for (let n = 0; n < length; n++) to[position + n] = from[at + n]!
  else to.set(at === 0 && length === from.length ? from : from.subarray(at, at + length), position)
}
