import { closeSync, openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import {
  type Backend,
  type Capabilities,
  channels,
  type Drive,
  formatRow,
  invalidArgument,
  isResourceError,
  type ProbeResult,
  type Rejection,
  resolveSockManOptions,
  SockError,
  type SockFactory,
  type SockMan,
  type SockManEvents,
  type SockManOptions,
  type Unavailable,
  unavailableError,
} from '@sockman/core'
import type { Addon, NativeEngine } from './binding'
import { corkSize } from './cork'
import { toSockError } from './failure'
import type { NativeSock } from './native-sock'
import { NativeSockHost } from './native-sock-host'
import { NativeSockMan } from './native-sock-man'
import { sockFactory } from './sock-factory'

export type Runtime = 'node' | 'bun' | 'deno'

/** What tells one native backend from another. */
export interface NativeBackendSpec {
  readonly name: string
  readonly supports: Readonly<Capabilities>
  /** `import.meta.url` of the backend's index, one folder below its root. */
  readonly url: string
  /**
   * The runtimes whose process the addon may be loaded into: where it would end another instead of failing. Default any.
   */
  readonly runtimes?: readonly Runtime[]
  /** What to do when the addon is not there. */
  readonly whenNotBuilt: string
  /** What to do when the kernel refuses, by errno name; default: another engine. */
  readonly whenRefused?: (code: string) => Pick<Unavailable, 'remedy' | 'caution'>
}

/** Why there is no engine, and the error behind it. */
interface Refusal<Cause = unknown> {
  readonly why: Unavailable
  readonly cause: Cause
}

/** An engine, and Socks that wait with its mechanism. */
export interface NativeBackend extends Backend {
  readonly socks: SockFactory<NativeSock>
}

/** A backend over the addon `build/Release/NAME.node` of its package. */
export function nativeBackend(spec: NativeBackendSpec): NativeBackend {
  const supports = Object.freeze({ ...spec.supports, drives: Object.freeze([...spec.supports.drives]) })
  let loaded: Addon | Refusal | undefined
  let socks: SockFactory<NativeSock> | undefined

  const load = (): Addon | Refusal => {
    loaded ??= loadAddon(spec)
    return loaded
  }
  const drivesOf = (addon: Addon): Drive[] =>
    supports.drives.filter(
      (drive) => drive === 'thread' || (addon.inlineAvailable && currentRuntime() === 'node'),
    )

  return {
    name: spec.name,
    supports,
    probe(): ProbeResult {
      const addon = load()
      if ('why' in addon) return { available: false, ...addon.why }
      const drives = drivesOf(addon)
      const engine = openEngine(spec, addon, () => 0, drives[0] === 'inline', resolveSockManOptions())
      if ('why' in engine) return { available: false, ...engine.why, details: addon.libraries }
      engine.join()
      return { available: true, drives, details: { ...engine.details, ...addon.libraries } }
    },
    createSockMan(
      events: SockManEvents,
      options: SockManOptions = {},
      rejected: readonly Rejection[] = [],
    ): SockMan {
      const resolved = resolveSockManOptions(options)
      const addon = load()
      if ('why' in addon) throw unavailableError(spec.name, addon.why, addon)
      const drive = chooseDrive(spec.name, drivesOf(addon), options.drive)
      const row = formatRow({ name: spec.name, drive, settings: settingsOf(options) })
      const man = new NativeSockMan(events, {
        supports,
        options: resolved,
        select: (details) =>
          Object.freeze({
            backend: spec.name,
            drive,
            row,
            details: Object.freeze({ ...details, ...addon.libraries }),
            rejected: Object.freeze([...rejected]),
          }),
        open(deliver) {
          const engine = openEngine(spec, addon, deliver, drive === 'inline', resolved)
          if (!('why' in engine)) return engine
          // What the system refuses is unavailable; an error of our own says more.
          throw engine.cause.errno === undefined
            ? engine.cause
            : unavailableError(spec.name, engine.why, engine)
        },
      })
      if (channels.selection.hasSubscribers) channels.selection.publish(man.selection)
      return man
    },
    get socks() {
      socks ??= openSocks(spec, load())
      return socks
    },
  }
}

/** @throws SockError `ERR_BACKEND_UNAVAILABLE`; of a shortage, as it is */
function openSocks(spec: NativeBackendSpec, addon: Addon | Refusal): SockFactory<NativeSock> {
  if ('why' in addon) throw unavailableError(spec.name, addon.why, addon)
  const inWorker = currentRuntime() === 'node' && !isMainThread
  const host = opened(
    spec,
    () => new NativeSockHost(spec.name, addon, spec.supports.descriptorLimit, inWorker),
  )
  if ('why' in host) throw unavailableError(spec.name, host.why, host)
  return sockFactory(host)
}

/** @throws SockError of a shortage, as it is */
function openEngine(
  spec: NativeBackendSpec,
  addon: Addon,
  deliver: (most?: number) => number,
  inline: boolean,
  options: ReturnType<typeof resolveSockManOptions>,
): NativeEngine | Refusal<SockError> {
  const {
    receiveBlock,
    receivePool,
    receivePoolMax,
    receiveWindow,
    maxConnections,
    copyThreshold,
    batchLimit,
  } = options
  return opened(
    spec,
    () =>
      new addon.Engine(
        deliver,
        inline,
        receiveBlock,
        receivePool,
        receivePoolMax,
        receiveWindow,
        maxConnections,
        corkSize(copyThreshold),
        batchLimit,
      ),
  )
}

/** @throws SockError of a shortage, as it is */
function opened<T extends object>(spec: NativeBackendSpec, open: () => T): T | Refusal<SockError> {
  try {
    return open()
  } catch (error) {
    const cause = toSockError(error)
    if (!(cause instanceof SockError) || isResourceError(cause.code)) throw cause
    const { code: reason, message } = cause
    return { why: { reason, message, remedy: '', ...spec.whenRefused?.(reason) }, cause }
  }
}

/** @throws SockError of a shortage, as it is */
function loadAddon(spec: NativeBackendSpec): Addon | Refusal {
  const build = join(dirname(fileURLToPath(spec.url)), '..', 'build')
  const path = join(build, 'Release', `${spec.name}.node`)
  if (process.platform !== 'linux') {
    const message = `${spec.name} is for Linux, not ${process.platform}`
    return { why: { reason: 'ERR_UNSUPPORTED_PLATFORM', message, remedy: '' }, cause: undefined }
  }
  const runtime = currentRuntime()
  if (spec.runtimes && !spec.runtimes.includes(runtime)) {
    const message = `${spec.name} is for ${spec.runtimes.join(' and ')}, not ${runtime}`
    return { why: { reason: 'ERR_UNSUPPORTED_RUNTIME', message, remedy: '' }, cause: undefined }
  }
  try {
    return createRequire(spec.url)(path) as Addon
  } catch (cause) {
    const remedy = spec.whenNotBuilt
    if ((cause as { code?: string }).code === 'MODULE_NOT_FOUND') {
      const message = `not built: ${whyNotBuilt(build) ?? `its install script did not run, there is no ${path}`}`
      return { why: { reason: 'ERR_NOT_BUILT', message, remedy }, cause }
    }
    assertReadable(path)
    const message = `not loadable: ${(cause as Error).message}`
    return { why: { reason: 'ERR_LOAD_FAILED', message, remedy }, cause }
  }
}

/** The first line of what a build that failed has left; undefined when none was tried. */
function whyNotBuilt(build: string): string | undefined {
  try {
    return readFileSync(join(build, 'not-built.txt'), 'utf8').split('\n', 1)[0]
  } catch {
    return undefined
  }
}

/** The loader does not tell an addon that is broken from one it has no descriptor for. @throws SockError EMFILE, ENFILE */
function assertReadable(path: string): void {
  try {
    closeSync(openSync(path, 'r'))
  } catch (error) {
    if (isResourceError((error as NodeJS.ErrnoException).code)) throw toSockError(error)
  }
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
function currentRuntime(): Runtime {
  if (process.versions['bun'] !== undefined) return 'bun'
  return process.versions['deno'] === undefined ? 'node' : 'deno'
}
