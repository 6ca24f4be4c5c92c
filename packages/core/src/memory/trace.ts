import type { SockAddr } from '../address'
import type { TraceEvent, TraceKind } from './memory-network'

/** The last events of a network: arrays by field, so that an event costs no object. */
export class Trace {
  readonly #size: number
  readonly #times: Float64Array
  readonly #bytes: Float64Array
  readonly #kinds: TraceKind[] = []
  readonly #from: (SockAddr | string | undefined)[] = []
  readonly #to: (SockAddr | string | undefined)[] = []
  #count = 0

  constructor(size: number) {
    this.#size = size
    this.#times = new Float64Array(size)
    this.#bytes = new Float64Array(size)
  }

  add(
    time: number,
    kind: TraceKind,
    from: SockAddr | string | undefined,
    to: SockAddr | string | undefined,
    bytes: number,
  ): void {
    if (this.#size === 0) return
    const at = this.#count++ % this.#size
    this.#times[at] = time
    this.#kinds[at] = kind
    this.#from[at] = from
    this.#to[at] = to
    this.#bytes[at] = bytes
  }

  events(most = this.#size): TraceEvent[] {
    const events: TraceEvent[] = []
    for (let n = Math.max(0, this.#count - Math.min(most, this.#size)); n < this.#count; n++) {
      const at = n % this.#size
      events.push({
        time: this.#times[at]!,
        kind: this.#kinds[at]!,
        from: String(this.#from[at] ?? ''),
        to: String(this.#to[at] ?? ''),
        bytes: this.#bytes[at]!,
      })
    }
    return events
  }

  /** A line each. */
  toString(most: number): string {
    const events = this.events(most)
    const lines = events.map(({ time, kind, from, to, bytes }) =>
      [
        `${time.toFixed(3).padStart(12)} ${kind.padEnd(11)} ${from}`,
        ...(to === '' ? [] : [`> ${to}`]),
        ...(bytes > 0 ? [`${bytes} B`] : []),
      ].join(' '),
    )
    const before = this.#count - events.length
    return [...(before > 0 ? [`${' '.repeat(12)} … ${before} before`] : []), ...lines].join('\n')
  }
}
