/**
 * A queue, first in, first out. An array's `shift` moves every element behind the first, so that emptying a long array
 * by `shift` takes quadratic time; a Fifo takes constant time for each element.
 */
export class Fifo<T> implements Iterable<T> {
  /** Elements before `#head` were taken; `undefined` stands in their places, so that nothing is kept alive. */
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  /** Replaces the youngest element; there must be one. */
  set last(item: T) {
    this.#items[this.#items.length - 1] = item
  }

  /** The element that {@link take} would answer. */
  get first(): T | undefined {
    return this.#items[this.#head]
  }

  add(item: T): void {
    this.#items.push(item)
  }

  /** Removes and answers the oldest element; `undefined` when there is none. */
  take(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.length === 0) this.clear()
    // As many were taken as would be moved, so that moving them costs a constant for each.
    else if (this.#head >= 1024 && this.#head >= this.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }

  /** The oldest first. */
  *[Symbol.iterator](): Generator<T> {
    for (let n = this.#head; n < this.#items.length; n++) yield this.#items[n] as T
  }
}
