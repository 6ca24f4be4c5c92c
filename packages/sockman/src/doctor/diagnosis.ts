import {
  type Candidate,
  type Drive,
  formatRow,
  isResourceError,
  isUnsupported,
  type ProbeResult,
  remedyFor,
  resolveSockManOptions,
  SockError,
  type Unavailable,
} from '@sockman/core'
import { choose, type Request, readRequest } from '../request'
import { describeMachine, FD_SETSIZE, type Machine } from './machine'

/** How one candidate stands here and now: supported ⊇ available ⊇ chosen. */
export interface Finding {
  readonly name: string
  /** Its package is installed and built. */
  readonly supported: boolean
  /** Its probe passes. */
  readonly available: boolean
  /** Those that work; the default first. */
  readonly drives: readonly Drive[]
  readonly chosen: boolean
  /** Facts of the mechanism, as far as they are known. */
  readonly details: Readonly<Record<string, string | number | boolean>>
  /** Null where it is available. */
  readonly problem: { readonly reason: string; readonly message: string; readonly remedy: string } | null
}

/** What `createSockMan` would do without options. */
export interface Outcome {
  /** Who asks: `SOCKMAN_BACKEND`, or nobody. */
  readonly source: Request['source']
  /** The row that would run, null when nothing would. */
  readonly row: string | null
  /** What it would throw. */
  readonly error: {
    readonly code: string
    readonly reason: string | null
    readonly message: string
    readonly remedy: string | null
  } | null
}

export interface Diagnosis {
  readonly machine: Machine
  readonly fdSetSize: number
  readonly findings: readonly Finding[]
  readonly outcome: Outcome
  /** Bytes lent to the kernel for receiving. */
  readonly receivePool: number
}

type Probe = Extract<ProbeResult, { available: true }>
interface Examined {
  readonly name: string
  readonly found: Probe | Unavailable
}

/** Loads and probes every candidate. Nothing is left open; throws only what no candidate is expected to. */
export async function diagnose(candidates: readonly Candidate[]): Promise<Diagnosis> {
  const examined: Examined[] = []
  for (const candidate of candidates) {
    examined.push({ name: candidate.name, found: await orShortage(() => examine(candidate)) })
  }
  const { receivePool, chosen, ...outcome } = await rehearse()
  const working = examined.findIndex(({ found }) => 'drives' in found)
  return {
    machine: describeMachine(),
    fdSetSize: FD_SETSIZE,
    // Another engine is a remedy for those that come before it.
    findings: examined.map((each, place) =>
      toFinding(each, chosen, place < working ? examined[working]!.name : undefined),
    ),
    outcome,
    receivePool,
  }
}

async function examine(candidate: Candidate): Promise<Probe | Unavailable> {
  const backend = await candidate.load()
  return 'reason' in backend ? backend : backend.probe()
}

/** A shortage is not the engine's, but it is what keeps it from running now. */
async function orShortage(examine: () => Promise<Probe | Unavailable>): Promise<Probe | Unavailable> {
  try {
    return await examine()
  } catch (error) {
    const { code, message } = error as SockError
    if (!isResourceError(code)) throw error
    return { reason: code, message, remedy: 'free memory or descriptors, or raise the limit (ulimit)' }
  }
}

function toFinding(
  { name, found }: Examined,
  chosen: string | undefined,
  instead: string | undefined,
): Finding {
  if ('drives' in found) {
    const { drives, details } = found
    return { name, supported: true, available: true, drives, chosen: name === chosen, details, problem: null }
  }
  const { reason, message, details = {} } = found
  return {
    name,
    supported: !isUnsupported(reason),
    available: false,
    drives: [],
    chosen: false,
    details,
    problem: { reason, message, remedy: remedyFor(found, instead) },
  }
}

async function rehearse(): Promise<Outcome & { receivePool: number; chosen: string | undefined }> {
  let source: Request['source'] = 'SOCKMAN_BACKEND'
  let receivePool = resolveSockManOptions().receivePool
  try {
    const request = readRequest(undefined, false)
    source = request.source
    receivePool = resolveSockManOptions(request.options).receivePool
    const { backend, drive } = await choose(request, request.options.drive)
    const row = formatRow({ ...request.row, name: backend.name, drive })
    return { source, row, error: null, receivePool, chosen: backend.name }
  } catch (error) {
    if (!(error instanceof SockError) && !isResourceError((error as SockError).code)) throw error
    const { code, reason = null, message, remedy = null } = error as SockError
    return { source, row: null, error: { code, reason, message, remedy }, receivePool, chosen: undefined }
  }
}
