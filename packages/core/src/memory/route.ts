import type { Clock } from './clock'
import type { Random } from './random'
import type { Target } from './schedule'

/** Of one direction between two hosts, or inside one. */
export interface RouteLimits {
  readonly latency: readonly [min: number, max: number]
  /** Bytes per second. */
  readonly bandwidth: number
}

/** Inside a host. */
export const LOOPBACK: RouteLimits = { latency: [0.01, 0.1], bandwidth: Number.POSITIVE_INFINITY }

interface Parcel {
  readonly target: Target
  readonly what: number
  readonly value: number
}

/** The way from one host to another. */
export class Route {
  /** Nothing arrives meanwhile. */
  cut = false
  readonly #clock: Clock
  readonly #random: Random
  readonly #limits: RouteLimits
  /** When the last byte taken has left. */
  #freeAt = 0
  #parked: Parcel[] = []

  constructor(clock: Clock, random: Random, limits: RouteLimits) {
    this.#clock = clock
    this.#random = random
    this.#limits = limits
  }

  /**
   * Lets `target.happen` come at the other end, not before `earliest`; answers when. The target asks {@link holds} first
   * thing.
   */
  send(target: Target, what: number, value: number, bytes: number, earliest = 0): number {
    const { latency, bandwidth } = this.#limits
    const { now } = this.#clock
    let leaves = now
    if (bytes > 0 && bandwidth !== Number.POSITIVE_INFINITY) {
      leaves = Math.max(now, this.#freeAt) + (bytes / bandwidth) * 1000
      this.#freeAt = leaves
    }
    const arrives = Math.max(earliest, leaves + this.#random.between(latency[0], latency[1]))
    this.#clock.post(arrives, target, what, value)
    return arrives
  }

  /** Whether a partition keeps this from arriving: then it comes again once healed. */
  holds(target: Target, what: number, value: number): boolean {
    if (this.cut) this.#parked.push({ target, what, value })
    return this.cut
  }

  heal(): void {
    this.cut = false
    const parked = this.#parked
    this.#parked = []
    // In their order, for each comes no earlier than the one before.
    let earliest = 0
    for (const { target, what, value } of parked) earliest = this.send(target, what, value, 0, earliest)
  }
}
