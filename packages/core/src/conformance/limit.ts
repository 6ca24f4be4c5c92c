import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import type { PeerNetwork } from './peers'

// Limits in time, on a machine that others use too. A limit is what the contract promises, or more where the machine
// itself was slow in the same attempt. Two measures say how slow: what peers on `node:net` need for the same act, before
// and after; and how long the threads of this process were ready to run and had no CPU. On a quiet machine both are
// far below what is promised. In memory, where no time passes, the promise alone counts.

/** What an act took, ms. */
export interface Taken {
  readonly took: number
  /** How long the threads of this process were ready to run meanwhile and had no CPU, in all. */
  readonly waited: number
}

/** A limit on the time of an act. */
export interface Limit {
  /** ms that are promised. */
  readonly promised: number
  /** Times that the act is tried, default 1: the best counts. */
  readonly attempts?: number
  /** ms that peers need for the same act. */
  readonly control?: () => Promise<number>
}

/** The act of a SockMan has more steps than the control: it may take so many times as long. */
const MULTIPLE = 3
/** A deadline waits so many times its ms at the most. */
const PATIENCE = 6

/** Measures an act. It begins when it is made. */
export class Stopwatch {
  readonly #network: PeerNetwork
  readonly #before: Waits
  readonly #latest = new Map<string, number>()
  readonly #begun: number

  constructor(network: PeerNetwork) {
    this.#network = network
    this.#before = network.realTime ? threadWaits() : new Map()
    this.#begun = network.now()
  }

  /** Notes how long each thread has waited: what is known of a thread that ends is what was noted last. */
  note(): void {
    if (!this.#network.realTime) return
    for (const [thread, waited] of threadWaits()) this.#latest.set(thread, waited)
  }

  /** What it has taken up to now. */
  read(): Taken {
    const took = this.#network.now() - this.#begun
    this.note()
    let waited = 0
    for (const [thread, latest] of this.#latest) waited += latest - (this.#before.get(thread) ?? 0)
    return { took, waited }
  }
}

/** What an act took. */
export async function timed(network: PeerNetwork, act: () => Promise<unknown>): Promise<Taken> {
  const watch = new Stopwatch(network)
  await act()
  return watch.read()
}

/** Asserts that an act, as `attempt` has measured it, takes less than its limit. */
export async function assertFast(
  network: PeerNetwork,
  { promised, attempts = 1, control }: Limit,
  attempt: () => Promise<Taken>,
): Promise<void> {
  const measured = async (): Promise<number> => (network.realTime && (await control?.())) || 0
  const tried: string[] = []
  let before = await measured()
  while (tried.length < attempts) {
    const { took, waited } = await attempt()
    const after = await measured()
    const limit = Math.max(promised, MULTIPLE * Math.max(before, after), promised + waited)
    if (took < limit) return
    const [ms, wait, first, second] = [took, waited, before, after].map((each) => each.toFixed(2))
    tried.push(`${ms} (${wait} without a CPU; node:net ${first} before and ${second} after)`)
    before = after
  }
  assert.fail(`took ${tried.join(', ')} ms, not under ${promised}`)
}

/** The median of `count` measurements. */
export async function median(count: number, measure: (index: number) => Promise<Taken>): Promise<Taken> {
  const values: Taken[] = []
  for (let index = 0; index < count; index++) values.push(await measure(index))
  const own = ({ took, waited }: Taken): number => took - waited
  return values.sort((a, b) => own(a) - own(b))[count >> 1]!
}

/**
 * The promise's value, or an error when `limit` ms have passed. Time in which something on the machine waited for a CPU
 * does not count, up to `longest(limit)`: a deadline ends what hangs, and promises nothing.
 */
export async function within<T>(limit: number, what: string, promise: Promise<T>): Promise<T> {
  const [begun, contended] = [performance.now(), contention()]
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const look = (): void => {
      const passed = performance.now() - begun
      const left = Math.min(limit - passed + (contention() - contended), longest(limit) - passed)
      if (left < 1) reject(new Error(`${what} after ${Math.round(passed)} ms`))
      else timer = setTimeout(look, left)
    }
    look()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** ms after which `within` has ended. */
export function longest(limit: number): number {
  return PATIENCE * limit
}

/** ms without a CPU by thread. */
type Waits = ReadonlyMap<string, number>

function threadWaits(): Waits {
  const waits = new Map<string, number>()
  for (const thread of entries('/proc/self/task')) {
    // Time on a CPU, time ready and without one, in ns, and a count (Documentation/scheduler/sched-stats.rst).
    const waited = Number(text(`/proc/self/task/${thread}/schedstat`).split(' ')[1])
    if (waited >= 0) waits.set(thread, waited / 1e6)
  }
  return waits
}

/** ms in which something on this machine was ready to run and had no CPU, since some beginning; else of this process. */
function contention(): number {
  const total = /^some .*total=(\d+)/m.exec(text('/proc/pressure/cpu'))?.[1]
  if (total !== undefined) return Number(total) / 1000
  let sum = 0
  for (const waited of threadWaits().values()) sum += waited
  return sum
}

/** What is in a folder; nothing where there is none. */
function entries(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** What a file says; nothing where there is none, or the thread that it was about has ended. */
function text(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
