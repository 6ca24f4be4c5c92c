import type { Transport } from '../rows/transport'

/** What one measured download cost. */
export interface Measurement {
  readonly seconds: number
  /** Bytes received in that time, message headers included. */
  readonly bytes: number
  readonly blocks: number
  /** CPU seconds of the downloading process, all its threads. */
  readonly cpu: { readonly user: number; readonly system: number }
  /** Null where the row does not count. */
  readonly eventsPerWakeup: number | null
  /** From `getdata` sent to block complete, ms. */
  readonly latency: { readonly p50: number; readonly p99: number }
}

interface Mark {
  time: number
  cpu: NodeJS.CpuUsage
  bytes: number
  counters: { events: number; wakeups: number } | undefined
}

/** Measures from `start` to `stop`. */
export class Meter {
  readonly #transport: Transport
  #bytes = 0
  #started: Mark | undefined
  #stopped: Mark | undefined
  #latencies: number[] = []

  constructor(transport: Transport) {
    this.#transport = transport
  }

  start(): void {
    this.#latencies = []
    this.#started = this.#mark()
  }

  stop(): void {
    this.#stopped = this.#mark()
  }

  onBytes(bytes: number): void {
    this.#bytes += bytes
  }

  /** @param sentAt when the block was asked for, ms of `performance.now()` */
  onBlock(sentAt: number): void {
    this.#latencies.push(performance.now() - sentAt)
  }

  result(): Measurement {
    const [from, to] = [this.#started!, this.#stopped!]
    const sorted = Float64Array.from(this.#latencies).sort()
    const events = to.counters && from.counters && to.counters.events - from.counters.events
    const wakeups = to.counters && from.counters && to.counters.wakeups - from.counters.wakeups
    return {
      seconds: (to.time - from.time) / 1000,
      bytes: to.bytes - from.bytes,
      blocks: sorted.length,
      cpu: { user: (to.cpu.user - from.cpu.user) / 1e6, system: (to.cpu.system - from.cpu.system) / 1e6 },
      eventsPerWakeup: wakeups ? events! / wakeups : null,
      latency: { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) },
    }
  }

  #mark(): Mark {
    return {
      time: performance.now(),
      cpu: process.cpuUsage(),
      bytes: this.#bytes,
      counters: this.#transport.counters(),
    }
  }
}

/** Nearest rank. @param share 0 to 1 */
function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}
