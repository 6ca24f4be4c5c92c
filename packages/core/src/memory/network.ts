import { SockAddr } from '../address'
import { invalidArgument } from '../errors'
import { isInstance, isObject } from '../objects'
import { checkKeys } from '../options'
import { checkInteger } from '../sock/options'
import { Clock } from './clock'
import { Host } from './host'
import { Kernel, type Surroundings } from './kernel'
import type {
  ClockMode,
  MemoryHost,
  MemoryNetwork,
  MemoryNetworkOptions,
  MemoryTimer,
  TraceEvent,
} from './memory-network'
import { isLoopback, isWildcard } from './namespace'
import { Random } from './random'
import { Route, type RouteLimits } from './route'
import type { Entry } from './schedule'
import { World } from './world'

const CLOCKS: readonly ClockMode[] = ['virtual', 'auto', 'real']
const KEYS: readonly (keyof MemoryNetworkOptions)[] = [
  'seed',
  'clock',
  'latency',
  'bandwidth',
  'sendBuffer',
  'receiveBuffer',
  'chunk',
  'unreachable',
  'trace',
]
const MI = 1 << 20

/**
 * A network in memory: no compiler, no descriptor, no luck. Stricter than a kernel: buffers are small, chunk boundaries
 * are seeded, views are overwritten after their callback.
 *
 * ```ts
 * const network = createMemoryNetwork({ seed: 42 })
 * const [a, b] = [network.host('10.0.0.1'), network.host('10.0.0.2')]
 * a.createSockMan(events).listen('10.0.0.1:8333')
 * b.createSockMan(events).connect('10.0.0.1:8333')
 * await network.run()
 * ```
 *
 * @throws SockError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
 */
export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  return new Network(options)
}

class Network implements MemoryNetwork, Surroundings {
  readonly seed: number
  readonly world: World
  readonly unreachable: 'silence' | 'error'
  readonly #clock: Clock
  readonly #mode: ClockMode
  readonly #random: Random
  readonly #limits: RouteLimits
  readonly #hosts: Host[] = []
  readonly #byAddress = new Map<string, Host>()
  /** From and to; `undefined` is nowhere. */
  readonly #routes = new Map<Kernel, Map<Kernel | undefined, Route>>()

  constructor(options: MemoryNetworkOptions) {
    checkKeys('options', options, KEYS)
    this.seed = integer('seed', options.seed, 1, -(2 ** 31), 2 ** 32 - 1)
    this.unreachable = oneOf('unreachable', options.unreachable, ['silence', 'error'])
    this.#limits = {
      latency: range('latency', options.latency ?? [1, 10], 0, 2 ** 31 - 1),
      bandwidth: number(
        'bandwidth',
        options.bandwidth ?? Number.POSITIVE_INFINITY,
        1,
        Number.POSITIVE_INFINITY,
      ),
    }
    this.#mode = oneOf('clock', options.clock, CLOCKS)
    this.#clock = Clock.of(this.#mode)
    this.#random = new Random(this.seed)
    this.world = new World({
      clock: this.#clock,
      random: this.#random,
      sendBuffer: integer('sendBuffer', options.sendBuffer, 16 * 1024, 1, 16 * MI),
      receiveBuffer: integer('receiveBuffer', options.receiveBuffer, 16 * 1024, 1, 16 * MI),
      chunk: options.chunk === undefined ? undefined : range('chunk', options.chunk, 1, 16 * MI),
      trace: integer('trace', options.trace, 1000, 0, MI),
    })
  }

  // ---- Hosts ----

  host(...addresses: string[]): MemoryHost {
    const wanted = (addresses.length > 0 ? addresses : [this.#freeAddress()]).map((text) => {
      const address = SockAddr.ip(text, 0, text)
      if (isLoopback(address.host) || isWildcard(address))
        throw invalidArgument('ERR_INVALID_ARG_VALUE', 'address', 'one that only one host has', text)
      return address.host
    })
    const owners = new Set(wanted.map((host) => this.#byAddress.get(host)))
    const [owner] = owners
    if (owners.size > 1) {
      const taken = wanted.filter((host) => this.#byAddress.has(host))
      throw invalidArgument(
        'ERR_INVALID_ARG_VALUE',
        'addresses',
        'those of one host or free',
        taken.join(', '),
      )
    }
    if (owner) return owner
    const kernel = new Kernel(this)
    for (const address of new Set(wanted)) kernel.addresses.push(address)
    const host = new Host(this, kernel, this.#mode)
    for (const address of wanted) this.#byAddress.set(address, host)
    this.#hosts.push(host)
    return host
  }

  #freeAddress(): string {
    for (let n = 1; ; n++) {
      const address = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`
      if (!this.#byAddress.has(address)) return address
    }
  }

  find(host: string): Kernel | undefined {
    return this.#byAddress.get(host)?.kernel
  }

  route(from: Kernel, to: Kernel | undefined): Route {
    const routes = this.#routes.get(from) ?? new Map<Kernel | undefined, Route>()
    this.#routes.set(from, routes)
    const route = routes.get(to) ?? new Route(this.#clock, this.#random, this.#limits)
    routes.set(to, route)
    return route
  }

  // ---- Time ----

  now(): number {
    return this.#clock.now
  }

  advance(ms: number): Promise<void> {
    return this.#clock.advance(ms)
  }

  run(options: { limit?: number } = {}): Promise<void> {
    checkKeys('options', options, ['limit'])
    return this.#clock.run(options.limit)
  }

  readonly setTimeout = (callback: () => void, ms: number): MemoryTimer =>
    this.#clock.setTimeout(callback, ms)
  readonly clearTimeout = (timer: MemoryTimer | undefined): void => this.#clock.clearTimeout(timer as Entry)
  readonly sleep = (ms: number): Promise<void> => this.#clock.sleep(ms)

  // ---- Partitions ----

  partition(a: MemoryHost, b?: MemoryHost): void {
    this.#eachPair(a, b, (one, other) => {
      const there = this.route(one, other)
      if (there.cut) return
      there.cut = this.route(other, one).cut = true
      this.world.note('partition', one.addresses[0], other.addresses[0], 0)
    })
  }

  heal(a?: MemoryHost, b?: MemoryHost): void {
    for (const each of a ? [a] : this.#hosts) {
      this.#eachPair(each, b, (one, other) => {
        const there = this.route(one, other)
        if (!there.cut) return
        this.world.note('heal', one.addresses[0], other.addresses[0], 0)
        there.heal()
        this.route(other, one).heal()
      })
    }
  }

  #eachPair(a: MemoryHost, b: MemoryHost | undefined, act: (one: Kernel, other: Kernel) => void): void {
    const one = this.#kernelOf(a)
    const others = b === undefined ? this.#hosts.map(({ kernel }) => kernel) : [this.#kernelOf(b)]
    for (const other of others) if (other !== one) act(one, other)
  }

  #kernelOf(host: MemoryHost): Kernel {
    if (isInstance(host, Host) && host.network === this) return host.kernel
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'host', 'a host of this network', host)
  }

  // ---- Observation ----

  trace(): TraceEvent[] {
    return this.world.trace.events()
  }

  report(count = 40): string {
    checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER)
    const head = `memory network: seed ${this.seed}, ${this.#mode} clock at ${this.now().toFixed(3)} ms`
    return `${head}; last events:\n${this.world.trace.toString(count)}`
  }
}

function oneOf<T extends string>(name: string, value: T | undefined, all: readonly T[]): T {
  if (value === undefined) return all[0]!
  if (all.includes(value)) return value
  throw invalidArgument('ERR_INVALID_ARG_VALUE', `options.${name}`, `one of ${all.join(', ')}`, value)
}

function number(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number')
    throw invalidArgument('ERR_INVALID_ARG_TYPE', `options.${name}`, 'a number', value)
  if (value >= min && value <= max) return value
  throw invalidArgument('ERR_OUT_OF_RANGE', `options.${name}`, `from ${min} to ${max}`, value)
}

function integer(
  name: string,
  value: number | undefined,
  byDefault: number,
  min: number,
  max: number,
): number {
  const given = number(name, value ?? byDefault, min, max)
  if (Number.isInteger(given)) return given
  throw invalidArgument('ERR_OUT_OF_RANGE', `options.${name}`, 'an integer', value)
}

function range(
  name: string,
  value: number | readonly [number, number],
  min: number,
  max: number,
): readonly [min: number, max: number] {
  if (typeof value === 'number') return [number(name, value, min, max), value]
  if (!isObject(value) || !Array.isArray(value))
    throw invalidArgument('ERR_INVALID_ARG_TYPE', `options.${name}`, 'a number or a range', value)
  const [from, to] = value
  return [number(name, from, min, max), number(name, to, from, max)]
}
