/** Something that can happen at a time. */
export interface Target {
  /**
   * @param what one of the target's own numbers
   * @param value what was given with it
   * @returns true when it ran code of the program, after which the event loop gets a turn
   */
  happen(what: number, value: number): boolean
}

/** One thing scheduled. Belongs to the schedule once it has happened. */
export class Entry {
  at = 0
  order = 0
  target: Target | undefined
  what = 0
  value = 0
  /** Something under way, rather than a limit that most often is not reached: it keeps the process alive. */
  holds = false
}

/** What is to happen, in order of time, then of insertion: a binary heap. */
export class Schedule {
  #heap: Entry[] = []
  readonly #free: Entry[] = []
  #order = 0
  #size = 0
  #holding = 0

  /** How many things are to happen. */
  get size(): number {
    return this.#size
  }

  /** How many of them are under way, limits left out. */
  get holding(): number {
    return this.#holding
  }

  /** The time of the first, `Infinity` when there is none. */
  get next(): number {
    // Those that were cancelled go when they come to the top.
    while (this.#heap.length > 0 && this.#heap[0]!.target === undefined) this.#recycle(this.#pop())
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  /** The entry may be cancelled until it happens. */
  add(at: number, target: Target, what: number, value: number, holds: boolean): Entry {
    const entry = this.#free.pop() ?? new Entry()
    entry.at = at
    entry.order = this.#order++
    entry.target = target
    entry.what = what
    entry.value = value
    entry.holds = holds
    this.#size++
    if (holds) this.#holding++
    this.#push(entry)
    return entry
  }

  cancel(entry: Entry): void {
    if (entry.target === undefined) return
    entry.target = undefined
    this.#forget(entry)
    if (this.#heap.length > 2 * this.#size + 1024) this.#compact()
  }

  /** Lets the first happen; its answer. There must be one: ask `next` first. */
  happen(): boolean {
    const entry = this.#pop()
    const { target, what, value } = entry
    entry.target = undefined
    this.#forget(entry)
    this.#recycle(entry)
    return target!.happen(what, value)
  }

  #forget(entry: Entry): void {
    this.#size--
    if (entry.holds) this.#holding--
  }

  /** Limits are not used again: their owner may still hold and cancel one. */
  #recycle(entry: Entry): void {
    if (entry.holds && this.#free.length < 1024) this.#free.push(entry)
  }

  /** Drops those that were cancelled: most time limits are, long before their time. */
  #compact(): void {
    // In order of time and insertion it is a heap.
    this.#heap = this.#heap
      .filter(({ target }) => target !== undefined)
      .sort((a, b) => (before(a, b) ? -1 : 1))
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!before(entry, heap[above]!)) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = entry
  }

  #pop(): Entry {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && before(heap[below + 1]!, heap[below]!)) below++
      if (!before(heap[below]!, last)) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = last
    return first
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
