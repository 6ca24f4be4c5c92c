import { describe, invalidArgument } from '../errors'

/**
 * Bytes that decide, one decision after the other: those given (a fuzzer's input), or as many as a seed says. After the
 * last one come zeros without end, so that whoever decides by it must make zero mean "stop".
 */
export class ByteSource {
  /** What makes an equal one: print it when a test fails. */
  readonly origin: number | Uint8Array
  readonly #bytes: Uint8Array | undefined
  #state = 0
  #left: number

  /** @param origin bytes, or a seed: an integer from 0 to 2^32 - 1, which gives up to 1 024 bytes */
  constructor(origin: number | Uint8Array) {
    this.origin = origin
    if (origin instanceof Uint8Array) {
      this.#bytes = origin
      this.#left = origin.length
      return
    }
    if (!Number.isInteger(origin) || origin < 0 || origin >= 2 ** 32) {
      throw invalidArgument('ERR_OUT_OF_RANGE', 'seed', 'an integer from 0 to 2^32 - 1', describe(origin))
    }
    this.#state = origin
    this.#left = 1
    this.#left = (this.#next() >>> 22) + 1
  }

  /** Whether only zeros follow. */
  get exhausted(): boolean {
    return this.#left === 0
  }

  byte(): number {
    if (this.#left === 0) return 0
    this.#left--
    return this.#bytes ? this.#bytes[this.#bytes.length - this.#left - 1]! : this.#next() >>> 24
  }

  /** False once exhausted. */
  boolean(): boolean {
    return (this.byte() & 1) === 1
  }

  /** From `min` to `max`, both included; `min` once exhausted. */
  integer(min: number, max: number): number {
    const span = max - min + 1
    let value = this.byte()
    for (let reach = 256; reach < span; reach *= 256) value = value * 256 + this.byte()
    return min + (value % span)
  }

  /** One of `list`; the first once exhausted. */
  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!
  }

  /** Fills with bytes. */
  fill(buffer: Uint8Array): void {
    for (let at = 0; at < buffer.length; at++) buffer[at] = this.byte()
  }

  /** SplitMix32: every seed, 0 too, gives a sequence of its own. */
  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
}
