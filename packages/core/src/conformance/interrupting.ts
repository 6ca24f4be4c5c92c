import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import type { SockError } from '../errors'
import type { EventName, Releasable, SockMan } from '../sock-man'
import type { Case } from './harness'
import { nextTurn, type Trial } from './trial'

/** Runs `stop` in the `at`th place where a call runs code of its caller's. */
class Interruption {
  #places = 0
  readonly #at: number
  readonly #stop: () => void

  constructor(at: number, stop: () => void) {
    this.#at = at
    this.#stop = stop
  }

  get happened(): boolean {
    return this.#places > this.#at
  }
  #pass(): void {
    if (this.#places++ === this.#at) this.#stop()
  }

  /** The same object, where to read it, to list its keys or to call it is such a place, and so on in what it holds. */
  within<T extends object>(given: T): T {
    const wrap = (value: unknown): unknown =>
      typeof value === 'function' || value?.constructor === Object ? this.within(value as object) : value
    return new Proxy(given, {
      get: (target, key) => {
        this.#pass()
        return wrap(Reflect.get(target, key))
      },
      ownKeys: (target) => {
        this.#pass()
        return Reflect.ownKeys(target)
      },
      apply: (target, self, values) => {
        this.#pass()
        return Reflect.apply(target as () => unknown, self, values)
      },
    })
  }
}

const EVENTS: readonly EventName[] = [
  'onAccepted',
  'onConnected',
  'onData',
  'onError',
  'onClosed',
  'onBatchEnd',
]

/** With each of the others, so that each is read. */
function options(others: object = {}): object {
  const events = Object.fromEntries(EVENTS.map((name) => [name, () => {}]))
  const tcp = {
    noDelay: true,
    keepAlive: 1000,
    keepAliveInterval: 1000,
    keepAliveCount: 1,
    userTimeout: 1000,
  }
  return { events, ...tcp, ...others }
}

interface Call {
  make(man: SockMan, it: Interruption): unknown
  /** Rejects when the call has left something open. */
  after?(): Promise<void>
}

/** By name: what a case needs once, such as a silent address (many connections, on a runtime with a long queue),
 * and then each of its calls. */
const CALLS: Readonly<Record<string, (trial: Trial) => Promise<() => Promise<Call>>>> = {
  async listen({ network }) {
    const all = options({ backlog: 5, reusePort: true, ipv6Only: false })
    return async () => ({ make: (man, it) => man.listen(network.address(), it.within(all)) })
  },
  async connect({ network }) {
    const address = await network.silent()
    return async () => ({
      make(man, it) {
        // The methods of a signal are the caller's too.
        const signal = Object.create(AbortSignal.prototype, {
          aborted: { get: it.within(() => false) },
          addEventListener: { value: it.within(() => {}) },
          removeEventListener: { value: () => {} },
        })
        return man.connect(address, it.within(options({ timeout: 500, signal, localAddress: '127.0.0.1:0' })))
      },
    })
  },
  async adopt(trial) {
    return async () => {
      const { sock, after } = await adoptable(trial)
      return { make: (man, it) => man.adopt(it.within(sock), it.within(options())), after }
    }
  },
  async adoptListener(trial) {
    return async () => {
      const { sock, after } = await adoptable(trial, true)
      return { make: (man, it) => man.adoptListener(it.within(sock), it.within(options())), after }
    }
  },
}

/** Something to adopt, and afterwards: who was given the descriptor has closed it. */
async function adoptable(
  trial: Trial,
  listening = false,
): Promise<{ sock: Releasable; after(): Promise<void> }> {
  const { network, supports } = trial
  let released = false
  const giving = (sock: Releasable): Releasable => ({
    release() {
      released = true
      return sock.release()
    },
  })
  if (network.adoptable && !listening) {
    const { sock, peer } = await network.adoptable()
    return {
      sock: giving(sock),
      after: async () => void (released && (await peer.receiveInto(() => {}))),
    }
  }
  const { sock, closed } = network.noSocket!()
  return {
    sock: giving(sock),
    async after() {
      if (released) assert.ok(closed(), 'the descriptor is still open')
      else if (supports.descriptors) closeSync(sock.release())
    },
  }
}

/** C81: what a call does when code of its caller's stops the SockMan. */
export const interrupting: readonly Case[] = Object.entries(CALLS).flatMap(([name, prepare]) =>
  [false, true].map((started): Case => {
    const when = started ? 'a SockMan that has started' : 'a SockMan that has not started'
    return {
      title: `C81 ${name} throws ERR_STOPPED and leaves nothing open wherever code of its caller's stops ${when}`,
      deadline: [20_000, 60_000],
      async run(trial) {
        const next = await prepare(trial)
        for (let at = 0, happened = true; happened; at++) {
          const { make, after } = await next()
          const { man } = trial.open()
          if (started) man.listen(trial.network.address())
          let stopped: Promise<void> | undefined
          const it = new Interruption(at, () => {
            stopped = man.stop()
          })
          const outcome = attempt(() => make(man, it))
          happened = it.happened
          if (happened) assert.equal(outcome, 'ERR_STOPPED', `stopped in place ${at}`)
          await (stopped ?? man.stop())
          await nextTurn()
          const { connections, listeners } = man.stats()
          assert.deepEqual({ connections, listeners }, { connections: 0, listeners: 0 })
          await after?.()
        }
      },
    }
  }),
)

function attempt(call: () => unknown): string {
  try {
    call()
    return 'done'
  } catch (error) {
    return (error as SockError).code
  }
}
