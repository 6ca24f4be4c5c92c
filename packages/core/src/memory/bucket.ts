/** ms: what may go at once, and what is too little to be worth while. */
const BURST = 100
const LEAST = 10

/** A limit of bytes per second, as the engines have it: in any time `t` no more than `rate * (t + 0.1 s)` bytes go. */
export class Bucket {
  /** Bytes per ms. */
  readonly #rate: number
  #level: number
  #filled: number

  /**
   * @param rate bytes per second; 0 is no limit, and no bucket
   * @param before whose place it takes, and whose level it keeps: without one it is full
   */
  static of(rate: number, now: number, before?: Bucket): Bucket | undefined {
    return rate > 0 ? new Bucket(rate, now, before) : undefined
  }

  private constructor(rate: number, now: number, before: Bucket | undefined) {
    this.#rate = rate / 1000
    before?.level(now)
    this.#level = Math.min(before ? before.#level : this.#most, this.#most)
    this.#filled = now
  }

  get #most(): number {
    return Math.max(1, this.#rate * BURST)
  }

  get #least(): number {
    return Math.max(1, this.#rate * LEAST)
  }

  /** Whole bytes that may go now; 0 where they are too few. */
  level(now: number): number {
    this.#level = Math.min(this.#most, this.#level + this.#rate * (now - this.#filled))
    this.#filled = now
    return this.#level < this.#least ? 0 : Math.floor(this.#level)
  }

  take(bytes: number): void {
    this.#level -= bytes
  }

  /** When it is worth while to go on, of one whose level was asked for. */
  get readyAt(): number {
    // A little later, so that rounding does not leave a part of a byte to wait for.
    return this.#filled + Math.max(0, (this.#least - this.#level) / this.#rate) + 1e-6
  }
}
