import type { Backend } from '../backend'
import { accepting } from './accepting'
import { admission } from './admission'
import { oddArguments } from './arguments'
import { borrowing } from './borrowing'
import { closing } from './closing'
import { completion } from './completion'
import { connecting } from './connecting'
import { contexts } from './contexts'
import { draining } from './draining'
import { ending } from './ending'
import { fairness } from './fairness'
import { forms } from './forms'
import { type ConformanceOptions, runCases } from './harness'
import { identity } from './identity'
import { idling } from './idling'
import { interrupting } from './interrupting'
import { lifecycle } from './lifecycle'
import { limits } from './limits'
import { live } from './live'
import { names } from './names'
import { observation } from './observation'
import { ownership } from './ownership'
import { pacing } from './pacing'
import { receiving } from './receiving'
import { sending } from './sending'
import { waiting } from './waiting'

/**
 * Hands the contract (`docs/contract.md`) to a test runner as one test per case and drive of the backend:
 *
 * ```ts
 * import { conformance } from '@sockman/core/conformance'
 * conformance(backend, { describe, test, specifier: { module: import.meta.resolve('../dist/index.js') } })
 * ```
 *
 * The quick size takes half a minute per drive, `SOCKMAN_SUITE=full` a few minutes. A backend that is unavailable is a
 * failing test, unless `allowUnavailable`. Nothing depends on the backend's name, only on its `supports`.
 */
export function conformance(backend: Backend, options: ConformanceOptions): void {
  const areas = [
    lifecycle,
    ending,
    interrupting,
    identity,
    names,
    oddArguments,
    forms,
    live,
    accepting,
    admission,
    connecting,
    waiting,
    fairness,
    receiving,
    sending,
    borrowing,
    completion,
    pacing,
    idling,
    closing,
    draining,
    observation,
    contexts,
    ownership,
    limits,
  ]
  runCases(backend, areas.flat(), options)
}

export type { BackendModule, ConformanceOptions, Runner } from './harness'
export { netPeers } from './net-peers'
export type { Peer, PeerFamily, PeerListener, PeerNetwork } from './peers'
export type { SockKind } from './sock-case'
export { nativeSockConformance, type SockConformanceOptions, sockConformance } from './socks'
