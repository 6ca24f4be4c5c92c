/** Room for small sends to gather in (C60). */
const GATHERED = 4096

/** Bytes of one send, or of several small ones. */
interface Piece {
  readonly data: Uint8Array
  /** The owner's own buffer: referenced, not copied. */
  readonly borrowed: boolean
  from: number
  end: number
}

/** What `send` took and the kernel has not. */
export class SendQueue {
  readonly #pieces: Piece[] = []
  #head = 0
  bytes = 0

  copy(data: Uint8Array, from: number): void {
    const length = data.length - from
    this.bytes += length
    const last = this.#pieces.at(-1)
    if (last && !last.borrowed && last.data.length - last.end >= length) {
      last.data.set(from === 0 ? data : data.subarray(from), last.end)
      last.end += length
      return
    }
    const room = new Uint8Array(last ? Math.max(GATHERED, length) : length)
    room.set(from === 0 ? data : data.subarray(from))
    this.#pieces.push({ data: room, borrowed: false, from: 0, end: length })
  }

  borrow(data: Uint8Array, from: number): void {
    this.bytes += data.length - from
    this.#pieces.push({ data, borrowed: true, from, end: data.length })
  }

  /** Offers the bytes in order until `write` takes less; false when a borrowed buffer was taken away meanwhile. */
  drain(write: (data: Uint8Array, from: number, length: number) => number): boolean {
    while (this.#head < this.#pieces.length) {
      const piece = this.#pieces[this.#head]!
      if (piece.data.length < piece.end) return false
      const count = write(piece.data, piece.from, piece.end - piece.from)
      piece.from += count
      this.bytes -= count
      if (piece.from < piece.end) break
      this.#shift()
    }
    return true
  }

  #shift(): void {
    this.#head++
    if (this.#head === this.#pieces.length || this.#head > 1024) {
      this.#pieces.splice(0, this.#head)
      this.#head = 0
    }
  }
}
