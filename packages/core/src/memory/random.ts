/** Numbers that follow from a seed (mulberry32). One per network, so that every decision depends on all before it. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** Whole, from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  /** From `min` to `max`, not always whole. */
  between(min: number, max: number): number {
    return min === max ? min : min + this.next() * (max - min)
  }

  /** Whole, from `min` to `max`, each order of magnitude as likely as the others. */
  scaled(min: number, max: number): number {
    return min === max ? min : Math.min(max, Math.floor(min * ((max + 1) / min) ** this.next()))
  }
}
