import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import {
  type Backend,
  type Capabilities,
  type Drive,
  formatRow,
  invalidArgument,
  type ProbeResult,
  resolveSockManOptions,
  SockError,
  type SockMan,
  type SockManEvents,
  type SockManOptions,
} from '@sockman/core'
import type { Addon, NativeEngine } from './binding'
import { corkSize } from './cork'
import { toSockError } from './failure'
import { NativeSockMan } from './native-sock-man'

/** What tells one native backend from another. */
export interface NativeBackendSpec {
  readonly name: string
  readonly supports: Readonly<Capabilities>
  /** `import.meta.url` of the backend's index, one folder below its root. */
  readonly url: string
  /** What to do when the addon is not there. */
  readonly whenNotBuilt: string
  /** What to do when the kernel refuses, by errno name. */
  readonly whenRefused?: (code: string) => string
}

/** These mean that the machine is short of something, not that the mechanism is unavailable. */
const RESOURCE = new Set(['ENOMEM', 'EMFILE', 'ENFILE', 'ENOBUFS', 'ERR_FD_NOT_SELECTABLE'])

/** A backend over the addon `build/Release/NAME.node` of its package. */
export function nativeBackend(spec: NativeBackendSpec): Backend {
  const supports = Object.freeze({ ...spec.supports, drives: Object.freeze([...spec.supports.drives]) })
  let loaded: Addon | SockError | undefined

  const load = (): Addon | SockError => {
    loaded ??= loadAddon(spec)
    return loaded
  }
  const drivesOf = (addon: Addon): Drive[] =>
    supports.drives.filter((drive) => drive === 'thread' || (addon.inlineAvailable && isNode()))

  return {
    name: spec.name,
    supports,
    probe(): ProbeResult {
      const addon = load()
      if (addon instanceof SockError) return refusal(addon)
      const drives = drivesOf(addon)
      try {
        const engine = openEngine(addon, () => 0, drives[0] === 'inline', resolveSockManOptions())
        engine.join()
        return { available: true, drives, details: engine.details }
      } catch (error) {
        return refusal(unavailable(spec, toSockError(error) as SockError))
      }
    },
    createSockMan(events: SockManEvents, options: SockManOptions = {}): SockMan {
      const resolved = resolveSockManOptions(options)
      const addon = load()
      if (addon instanceof SockError) throw addon
      const drive = chooseDrive(spec.name, drivesOf(addon), options.drive)
      const row = formatRow({ name: spec.name, drive, settings: settingsOf(options) })
      return new NativeSockMan(events, {
        supports,
        options: resolved,
        select: (details) =>
          Object.freeze({
            backend: spec.name,
            drive,
            row,
            details: Object.freeze({ ...details }),
            rejected: Object.freeze([]),
          }),
        open(deliver) {
          try {
            return openEngine(addon, deliver, drive === 'inline', resolved)
          } catch (error) {
            const failure = toSockError(error) as SockError
            throw RESOURCE.has(failure.code) ? failure : unavailable(spec, failure)
          }
        },
      })
    },
  }
}

function openEngine(
  addon: Addon,
  deliver: (most?: number) => number,
  inline: boolean,
  options: ReturnType<typeof resolveSockManOptions>,
): NativeEngine {
  const {
    receiveBlock,
    receivePool,
    receivePoolMax,
    receiveWindow,
    maxConnections,
    copyThreshold,
    batchLimit,
  } = options
  return new addon.Engine(
    deliver,
    inline,
    receiveBlock,
    receivePool,
    receivePoolMax,
    receiveWindow,
    maxConnections,
    corkSize(copyThreshold),
    batchLimit,
  )
}

function loadAddon(spec: NativeBackendSpec): Addon | SockError {
  const root = join(dirname(fileURLToPath(spec.url)), '..')
  const path = join(root, 'build', 'Release', `${spec.name}.node`)
  const fields = { code: 'ERR_BACKEND_UNAVAILABLE', backend: spec.name }
  if (process.platform !== 'linux') {
    const message = `${spec.name} is for Linux, not ${process.platform}`
    return new SockError(message, {
      ...fields,
      reason: 'ERR_UNSUPPORTED_PLATFORM',
      remedy: 'choose another backend',
    })
  }
  try {
    return createRequire(spec.url)(path) as Addon
  } catch (cause) {
    const missing = (cause as { code?: string }).code === 'MODULE_NOT_FOUND'
    const why = missing ? `no addon at ${path}` : (cause as Error).message
    return new SockError(`${missing ? 'not built' : 'not loadable'}: ${why}`, {
      ...fields,
      reason: missing ? 'ERR_NOT_BUILT' : 'ERR_LOAD_FAILED',
      remedy: spec.whenNotBuilt,
      cause,
    })
  }
}

function unavailable(spec: NativeBackendSpec, failure: SockError): SockError {
  const remedy = spec.whenRefused?.(failure.code) ?? 'choose another backend'
  return new SockError(`${spec.name} is unavailable here (${failure.message}): ${remedy}`, {
    code: 'ERR_BACKEND_UNAVAILABLE',
    backend: spec.name,
    reason: failure.code,
    remedy,
    ...(failure.syscall && { syscall: failure.syscall }),
    cause: failure,
  })
}

function refusal({ reason, message, remedy }: SockError): ProbeResult {
  return { available: false, reason: reason!, message, remedy: remedy! }
}

function chooseDrive(name: string, drives: readonly Drive[], wanted: Drive | undefined): Drive {
  if (wanted === undefined) return drives[0]!
  if (wanted !== 'thread' && wanted !== 'inline') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'options.drive', "'thread' or 'inline'", wanted)
  }
  if (drives.includes(wanted)) return wanted
  throw new SockError(`${name} has no ${wanted} drive here, only ${drives.join(' and ')}`, {
    code: 'ERR_UNSUPPORTED_DRIVE',
  })
}

function settingsOf(options: SockManOptions): Record<string, string> {
  const entries = Object.entries(options).filter(([key, value]) => key !== 'drive' && value !== undefined)
  return Object.fromEntries(entries.map(([key, value]) => [key, String(value)]))
}

/** Deno and Bun take Node-API addons, but have no libuv loop to watch. */
function isNode(): boolean {
  return process.versions['bun'] === undefined && process.versions['deno'] === undefined
}
