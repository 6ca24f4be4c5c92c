/** Something that can happen at a time. */
export interface Target {
  /** Its `happen` runs code of the program: not while the thread is blocked. */
  readonly runsProgram?: boolean
  /**
   * @param what one of the target's own numbers
   * @param value what was given with it
   * @returns true when it ran code of the program, after which the event loop gets a turn
   */
  happen(what: number, value: number): boolean
}

/** One thing scheduled. Belongs to the schedule once it has happened. */
export class Entry {
  target: Target | undefined
  what = 0
  value = 0
  /** Something under way, rather than a limit that most often is not reached: it keeps the process alive. */
  holds = false
}

/**
 * What is to happen, in order of time, then of insertion: a binary heap. Times and orders lie in arrays of their own, so that
 * finding the first of 100 000 touches few cache lines.
 */
export class Schedule {
  #times = new Float64Array(64)
  #orders = new Float64Array(64)
  #entries: Entry[] = []
  readonly #free: Entry[] = []
  /** See {@link happenBlocked}. */
  #aside: { entry: Entry; time: number; order: number }[] = []
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
    while (this.#entries.length > 0 && this.#entries[0]!.target === undefined) this.#recycle(this.#pop())
    return this.#entries.length > 0 ? this.#times[0]! : Number.POSITIVE_INFINITY
  }

  /** The entry may be cancelled until it happens. */
  add(at: number, target: Target, what: number, value: number, holds: boolean): Entry {
    const entry = this.#free.pop() ?? new Entry()
    entry.target = target
    entry.what = what
    entry.value = value
    entry.holds = holds
    this.#size++
    if (holds) this.#holding++
    this.#push(entry, at, this.#order++)
    return entry
  }

  cancel(entry: Entry): void {
    if (entry.target === undefined) return
    entry.target = undefined
    this.#forget(entry)
    if (this.#entries.length > 2 * this.#size + 1024) this.#compact()
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

  /** As `happen`, while the thread is blocked: what runs code of the program is put aside until {@link unblock}. */
  happenBlocked(): void {
    const entry = this.#entries[0]!
    if (!entry.target!.runsProgram) this.happen()
    else this.#aside.push({ time: this.#times[0]!, order: this.#orders[0]!, entry: this.#pop() })
  }

  unblock(): void {
    const aside = this.#aside
    this.#aside = []
    for (const { entry, time, order } of aside) this.#push(entry, time, order)
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
    const [entries, times, orders] = [this.#entries, this.#times.slice(), this.#orders.slice()]
    this.#entries = []
    for (const [at, entry] of entries.entries())
      if (entry.target !== undefined) this.#push(entry, times[at]!, orders[at]!)
  }

  #push(entry: Entry, time: number, order: number): void {
    const entries = this.#entries
    if (entries.length === this.#times.length) this.#grow()
    const times = this.#times
    const orders = this.#orders
    let at = entries.length
    entries.push(entry)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (times[above]! < time || (times[above]! === time && orders[above]! < order)) break
      times[at] = times[above]!
      orders[at] = orders[above]!
      entries[at] = entries[above]!
      at = above
    }
    times[at] = time
    orders[at] = order
    entries[at] = entry
  }

  #pop(): Entry {
    const entries = this.#entries
    const times = this.#times
    const orders = this.#orders
    const first = entries[0]!
    const last = entries.pop()!
    const length = entries.length
    if (length === 0) return first
    const [time, order] = [times[length]!, orders[length]!]
    let at = 0
    for (let below = 1; below < length; below = 2 * at + 1) {
      const right = below + 1
      if (
        right < length &&
        (times[right]! < times[below]! ||
          (times[right]! === times[below]! && orders[right]! < orders[below]!))
      )
        below = right
      if (time < times[below]! || (time === times[below]! && order < orders[below]!)) break
      times[at] = times[below]!
      orders[at] = orders[below]!
      entries[at] = entries[below]!
      at = below
    }
    times[at] = time
    orders[at] = order
    entries[at] = last
    return first
  }

  #grow(): void {
    const [times, orders] = [this.#times, this.#orders]
    this.#times = new Float64Array(2 * times.length)
    this.#orders = new Float64Array(2 * orders.length)
    this.#times.set(times)
    this.#orders.set(orders)
  }
}
