/** The records of `event_ring.h`, in step with its numbers. */
export const Event = {
  accepted: 1,
  connected: 2,
  data: 3,
  eof: 4,
  error: 5,
  drained: 6,
  closed: 7,
  listenError: 8,
  listenerClosed: 9,
  stopped: 10,
  idle: 11,
} as const

/** Words of a record, from its first. */
export const Field = { event: 0, slot: 1, block: 2, offset: 3, length: 4, held: 5, a: 6, b: 7 } as const

const HEAD = 0
const TAIL = 16
const STARVED = 32
const RECORDS = 48
const WORDS = 8
const MASK = 4095

/**
 * The consumer's side of the ring that the engine fills. The happens-before of every word stands in `event_ring.h`.
 */
export class EventRing {
  readonly words: Int32Array
  #head = 0

  constructor(memory: ArrayBuffer) {
    this.words = new Int32Array(memory)
  }

  /** How many records wait. */
  get waiting(): number {
    return (Atomics.load(this.words, TAIL) - this.#head) | 0
  }

  /** Position of the next record; it is the engine's again after {@link release}. */
  take(): number {
    const position = this.#head
    this.#head = (position + 1) | 0
    return position
  }

  /** Index of the first word of the record at `position`. */
  at(position: number): number {
    return RECORDS + (position & MASK) * WORDS
  }

  /** Gives back every record taken so far, and the receive memory they point to; whether the engine waits for that. */
  release(): boolean {
    Atomics.store(this.words, HEAD, this.#head)
    return Atomics.load(this.words, STARVED) !== 0
  }
}
