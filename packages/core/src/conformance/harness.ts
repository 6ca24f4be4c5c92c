import { isMainThread } from 'node:worker_threads'
import type { Backend } from '../backend'
import type { Capabilities, Drive } from '../capabilities'
import { longest } from './limit'
import { netPeers } from './net-peers'
import type { PeerNetwork } from './peers'
import { Trial } from './trial'

/** The two functions of a test runner; those of `vitest` and of `node:test` both fit. */
export interface Runner {
  describe(name: string, body: () => void): unknown
  test: {
    /** `timeout` in ms; a runner that ignores it loses nothing, for every case has a deadline of its own. */
    (name: string, body: () => Promise<void>, timeout: number): unknown
    skip(name: string, body: () => void): unknown
  }
}

/** Where another process finds the backend. */
export interface BackendModule {
  /** The URL of a module that plain Node can import, such as `import.meta.resolve('../dist/index.js')`. */
  module: string
  /** Its export that is the {@link Backend}, default `'backend'`. */
  export?: string
}

export interface ConformanceOptions extends Runner {
  /**
   * Needed by the cases that have to run in a process of their own (C8, C10, C11, C70 …): skipped without it. In a worker
   * they are left out, for they are the same there as on the main thread.
   */
  specifier?: BackendModule
  /** What surrounds the SockMan, default peers on `node:net`. */
  network?: () => PeerNetwork
  /** One test that names the reason, instead of a failing one, where the backend is unavailable. Default false. */
  allowUnavailable?: boolean
  /** The full size; default whether the environment says `SOCKMAN_SUITE=full`. */
  full?: boolean
  /** Factor on every deadline, for a build that a sanitizer slows down; default 1. */
  patience?: number
  /** The engine is built with a sanitizer, `node:net` is not: memory is not compared (C71, C72). Default false. */
  sanitized?: boolean
}

/** What a case may ask before it runs. */
export interface Facts {
  readonly backend: Backend
  readonly supports: Readonly<Capabilities>
  readonly drive: Drive
  readonly full: boolean
  readonly sanitized: boolean
  readonly specifier: BackendModule | undefined
  readonly network: () => PeerNetwork
}

/** One behaviour of the contract. */
export interface Case {
  /** Begins with the line of `docs/contract.md`: `'C12 several SockMans …'`. */
  readonly title: string
  /** Why it cannot run here, or undefined when it can. */
  readonly skip?: (facts: Facts) => string | undefined
  /** Its deadline in ms at quick and at full size, default 10 000 and 60 000. */
  readonly deadline?: readonly [quick: number, full: number]
  readonly run: (trial: Trial) => Promise<void>
}

/** Time for the teardown after a case's own deadline, ms. */
const TEARDOWN = longest(5000) + 5000

/** Hands every case to the runner, once for each drive. */
export function runCases(backend: Backend, cases: readonly Case[], options: ConformanceOptions): void {
  const { describe, test, network = netPeers, allowUnavailable = false, patience = 1 } = options
  const { sanitized = false } = options
  const specifier = isMainThread ? options.specifier : undefined
  const full = options.full ?? process.env.SOCKMAN_SUITE === 'full'
  const probe = backend.probe()
  if (!probe.available) {
    const { reason, message, remedy } = probe
    const text = `${backend.name} is unavailable: ${reason}, ${message} ${remedy}`
    if (allowUnavailable) test.skip(text, () => {})
    else test(text, () => Promise.reject(new Error(text)), TEARDOWN)
    return
  }
  for (const drive of probe.drives) {
    const facts: Facts = { backend, supports: backend.supports, drive, full, sanitized, specifier, network }
    describe(drive, () => {
      for (const { title, skip, deadline = [10_000, 60_000], run } of cases) {
        const reason = skip?.(facts)
        if (reason === NO_PROCESS && options.specifier) continue
        if (reason !== undefined) {
          test.skip(`${title} [skipped: ${reason}]`, () => {})
          continue
        }
        const limit = deadline[full ? 1 : 0] * patience
        test(title, () => Trial.run(facts, limit, run), longest(limit) + TEARDOWN)
      }
    })
  }
}

const NO_PROCESS = 'needs a process of its own: pass `specifier`'

/** A case that needs a process of its own. */
export function needsProcess({ specifier }: Facts): string | undefined {
  return specifier ? undefined : NO_PROCESS
}

/** A case about descriptors. */
export function needsDescriptors({ supports }: Facts): string | undefined {
  return supports.descriptors ? undefined : 'connections are no descriptors here'
}

/** A case about Unix sockets with a path. */
export function needsUnix({ supports }: Facts): string | undefined {
  return supports.unixSockets ? undefined : 'no Unix sockets here'
}
