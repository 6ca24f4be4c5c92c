import type { SockAddr } from '../address'
import { BufferPool, ByteRing } from './byte-ring'
import type { Clock } from './clock'
import type { TraceKind } from './memory-network'
import type { Random } from './random'
import { SocketTable } from './socket-table'
import { Trace } from './trace'

/** A read gives at most so much by default. */
const LONGEST_CHUNK = 65536

export interface WorldOptions {
  readonly clock: Clock
  readonly random: Random
  readonly sendBuffer: number
  readonly receiveBuffer: number
  /** Lengths of reads; undefined: seeded. */
  readonly chunk: readonly [min: number, max: number] | undefined
  readonly trace: number
}

/** What every socket of a network shares. */
export class World {
  readonly clock: Clock
  readonly random: Random
  readonly sendBuffer: number
  readonly receiveBuffer: number
  readonly trace: Trace
  readonly sockets = new SocketTable()
  readonly #chunk: readonly [min: number, max: number] | undefined
  readonly #pool = new BufferPool()
  #scratch = new Uint8Array(0)

  constructor(options: WorldOptions) {
    this.clock = options.clock
    this.random = options.random
    this.sendBuffer = options.sendBuffer
    this.receiveBuffer = options.receiveBuffer
    this.#chunk = options.chunk
    this.trace = new Trace(options.trace)
  }

  ring(): ByteRing {
    return new ByteRing(this.#pool)
  }

  /** How much of `available` bytes a read gives: at least every other time not all of it, so that nothing can rely on it. */
  chunk(available: number): number {
    if (this.#chunk) return Math.min(available, this.random.scaled(this.#chunk[0], this.#chunk[1]))
    const length = Math.min(available, this.random.scaled(1, LONGEST_CHUNK))
    const cut = length === available && available > 1 && this.random.below(2) === 0
    return cut ? 1 + this.random.below(available - 1) : length
  }

  /** Room for bytes that nobody wants. */
  scratch(length: number): Uint8Array {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length)
    return this.#scratch
  }

  note(
    kind: TraceKind,
    from: SockAddr | string | undefined,
    to: SockAddr | string | undefined,
    bytes: number,
  ): void {
    this.trace.add(this.clock.now, kind, from, to, bytes)
  }
}
