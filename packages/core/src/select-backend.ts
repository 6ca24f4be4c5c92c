import type { Backend } from './backend'
import type { Capabilities, Drive } from './capabilities'
import { describe, invalidArgument, SockError } from './errors'
import { isObject } from './objects'
import { checkKeys } from './options'
import type { Rejection } from './sock-man'
import { remedyFor, type Unavailable, unavailableError } from './unavailable'

/** A backend that may be chosen. */
export interface Candidate {
  /** The {@link Backend.name} of what `load` answers. */
  readonly name: string
  /** Imports its module, which loads no addon, or says why that is not there. Errors thrown are `selectBackend`'s. */
  load(): Promise<Backend | Unavailable>
}

/**
 * What a backend must be able to do: a boolean must be true (`false` asks for nothing), a number is the least, `null`
 * is none, which satisfies every number; of `drives` every one must work here.
 */
export type Requirements = { readonly [K in keyof Capabilities]?: Capabilities[K] | undefined }

export interface SelectOptions {
  /** A candidate's name, or `'auto'`, the default: the first candidate that fits. */
  readonly name?: string | undefined
  /** Requires this drive. Default: the backend's own default. */
  readonly drive?: Drive | undefined
  readonly require?: Requirements | undefined
}

/** What was chosen. */
export interface Choice {
  readonly backend: Backend
  readonly drive: Drive
  /** Every other candidate in order, each with why it is not this one. */
  readonly rejected: readonly Rejection[]
}

/**
 * Chooses: supported (installed and built) ⊇ available (its probe passes here, now) ⊇ chosen. A name never falls back,
 * `'auto'` takes the first candidate that has what is required and is available. Candidates are loaded and
 * probed only as far as that takes, and nothing is kept from one call to the next.
 *
 * @param candidates best first
 * @throws SockError `ERR_BACKEND_UNAVAILABLE` with `backend` (`'auto'` when none fits), `reason`, `remedy`, which names the
 *   next best engine; `ENOMEM`, `EMFILE` … of a probe as they are; `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARG_TYPE`,
 *   `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE` for what `options` may not be
 */
export async function selectBackend(
  candidates: readonly Candidate[],
  options: SelectOptions = {},
): Promise<Choice> {
  checkCandidates(candidates)
  checkKeys('options', options, ['name', 'drive', 'require'])
  const { name = 'auto', drive, require = {} } = options
  if (typeof name !== 'string')
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options.name', 'a string', name)
  checkDrive(drive)
  checkRequirements(require)
  const fit = (candidate: Candidate) => examine(candidate, drive, require)
  if (name === 'auto') return await chooseFirst(candidates, fit)

  const named = candidates.find((candidate) => candidate.name === name)
  const others = candidates.filter((candidate) => candidate !== named)
  const found = named ? await fit(named) : unknown(name, candidates)
  if ('backend' in found) {
    return { ...found, rejected: others.map((other) => notTried(other, `${name} was asked for`)) }
  }
  throw unavailableError(name, found, { instead: (await walk(others, fit)).winner?.backend.name })
}

type Fitting = Omit<Choice, 'rejected'>
type Examine = (candidate: Candidate) => Promise<Fitting | Unavailable>

async function chooseFirst(candidates: readonly Candidate[], fit: Examine): Promise<Choice> {
  const { winner, refused } = await walk(candidates, fit)
  if (!winner) {
    const all = refused.map(({ name, why }) => `${name}: ${why.message}`).join('; ')
    throw unavailableError('auto', {
      reason: 'ERR_NO_BACKEND',
      message: all === '' ? 'there is no candidate' : `none fits: ${all}`,
      remedy: refused.map(({ name, why }) => `${name}: ${remedyFor(why)}`).join('; '),
    })
  }
  const { name } = winner.backend
  return {
    ...winner,
    rejected: [
      ...refused.map(({ name: backend, why }) => rejection(backend, why, name)),
      ...candidates.slice(refused.length + 1).map((other) => notTried(other, `${name} comes first`)),
    ],
  }
}

/** The first that fits, and those before it. */
async function walk(candidates: readonly Candidate[], fit: Examine) {
  const refused: { name: string; why: Unavailable }[] = []
  for (const candidate of candidates) {
    const found = await fit(candidate)
    if ('backend' in found) return { winner: found, refused }
    refused.push({ name: candidate.name, why: found })
  }
  return { winner: undefined, refused }
}

async function examine(
  candidate: Candidate,
  drive: Drive | undefined,
  require: Requirements,
): Promise<Fitting | Unavailable> {
  const backend = await candidate.load()
  if ('reason' in backend) return backend
  // The manifest first: what cannot fit need not load its addon.
  const unfit =
    refuseDrive(backend, backend.supports.drives, drive) ?? refuseCapability(backend.supports, require)
  if (unfit) return unfit
  const probe = backend.probe()
  if (!probe.available) return probe
  const missing =
    refuseDrive(backend, probe.drives, drive) ??
    refuseCapability({ ...backend.supports, drives: probe.drives }, require)
  return missing ?? { backend, drive: drive ?? probe.drives[0]! }
}

function refuseDrive(
  { name }: Backend,
  drives: readonly Drive[],
  wanted: Drive | undefined,
): Unavailable | undefined {
  if (wanted === undefined || drives.includes(wanted)) return undefined
  const message = `${name} has no ${wanted} drive here, only ${drives.join(' and ')}`
  return { reason: 'ERR_UNSUPPORTED_DRIVE', message, remedy: '' }
}

function refuseCapability(has: Readonly<Capabilities>, require: Requirements): Unavailable | undefined {
  for (const [key, wanted] of Object.entries(require) as Entry[]) {
    if (wanted === undefined || satisfies(has[key], wanted)) continue
    const message = `${key} is ${text(has[key])}, required is ${text(wanted)}`
    return { reason: 'ERR_MISSING_CAPABILITY', message, remedy: '' }
  }
  return undefined
}

type Value = Capabilities[keyof Capabilities]
type Entry = [keyof Capabilities, Value | undefined]

function satisfies(has: Value, wanted: Value): boolean {
  if (wanted === false) return true
  if (typeof wanted === 'object' && wanted !== null) {
    return wanted.every((drive) => (has as readonly Drive[]).includes(drive))
  }
  if (typeof wanted === 'number') return has === null || (has as number) >= wanted
  return has === wanted
}

function text(value: Value): string {
  return value === null ? 'none' : Array.isArray(value) ? value.join(' and ') : String(value)
}

function rejection(backend: string, why: Unavailable, instead: string): Rejection {
  const { reason, message } = why
  return { backend, reason, message, remedy: remedyFor(why, instead) }
}

function notTried({ name }: Candidate, message: string): Rejection {
  return { backend: name, reason: 'ERR_NOT_TRIED', message }
}

function unknown(name: string, candidates: readonly Candidate[]): Unavailable {
  const known = [...candidates.map((candidate) => candidate.name), 'auto'].join(', ')
  return {
    reason: 'ERR_UNKNOWN_BACKEND',
    message: `no engine is called ${describe(name)}`,
    remedy: `known are ${known}`,
  }
}

const KINDS: Readonly<Record<keyof Capabilities, 'boolean' | 'limit' | 'drives'>> = {
  drives: 'drives',
  descriptorLimit: 'limit',
  unixSockets: 'boolean',
  abstractUnix: 'boolean',
  halfClose: 'boolean',
  resetWhilePaused: 'boolean',
  closeWhilePaused: 'boolean',
  zeroCopyReceive: 'boolean',
  optimisticSend: 'boolean',
  unixReset: 'boolean',
  acceptFilterBeforeRead: 'boolean',
  foreignClose: 'boolean',
  reusePort: 'boolean',
  descriptors: 'boolean',
  multishot: 'boolean',
  providedBuffers: 'boolean',
}

function checkCandidates(candidates: unknown): void {
  const isCandidate = (it: unknown): boolean => isObject(it) && typeof (it as Candidate).load === 'function'
  if (isObject(candidates) && Array.isArray(candidates) && candidates.every(isCandidate)) return
  throw invalidArgument('ERR_INVALID_ARG_TYPE', 'candidates', 'a list of what has load()', candidates)
}

function checkDrive(drive: unknown): void {
  if (drive === undefined || isDrive(drive)) return
  throw invalidArgument('ERR_INVALID_ARG_VALUE', 'options.drive', "'thread' or 'inline'", drive)
}

function isDrive(value: unknown): value is Drive {
  return value === 'thread' || value === 'inline'
}

function checkRequirements(require: unknown): void {
  if (!isObject(require))
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options.require', 'an object', require)
  for (const [key, value] of Object.entries(require)) {
    if (!Object.hasOwn(KINDS, key)) {
      throw new SockError(`unknown capability ${describe(key)}; known are ${Object.keys(KINDS).join(', ')}`, {
        code: 'ERR_UNKNOWN_OPTION',
      })
    }
    if (value !== undefined) checkRequirement(key as keyof Capabilities, value)
  }
}

function checkRequirement(key: keyof Capabilities, value: unknown): void {
  const name = `options.require.${key}`
  const kind = KINDS[key]
  if (kind === 'boolean') {
    if (typeof value !== 'boolean')
      throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'true or false', value)
  } else if (kind === 'drives') {
    if (!isObject(value) || !Array.isArray(value) || !value.every(isDrive))
      throw invalidArgument('ERR_INVALID_ARG_TYPE', name, "a list of 'thread' and 'inline'", value)
  } else if (value !== null) {
    if (typeof value !== 'number')
      throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a number or null', value)
    if (!(value >= 0)) throw invalidArgument('ERR_OUT_OF_RANGE', name, 'at least 0', value)
  }
}
