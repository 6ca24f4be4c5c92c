import { accessSync, closeSync, constants, openSync, readFileSync, statSync } from 'node:fs'
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
  errnoName,
  formatRow,
  invalidArgument,
  isResourceError,
  type ProbeResult,
  type Rejection,
  resolveRejected,
  resolveSockManOptions,
  SockError,
  type SockFactory,
  type SockMan,
  type SockManEvents,
  type SockManOptions,
  settingsOf,
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
  /** What to do when the system refuses; default: another engine. */
  readonly whenRefused?: (refused: Refused) => Pick<Unavailable, 'remedy' | 'caution'> | undefined
  /** Whether a shortage, which else is passed on as it is, is one of this mechanism only: others can do without. */
  readonly lacksAlone?: (refused: Refused) => boolean
  /**
   * Whether filters that kill for its calls are common: where these cannot be rehearsed, the engine is unavailable.
   * Default: it is tried all the same.
   */
  readonly oftenFiltered?: boolean
}

/** What was refused: an errno name or a reason, and the call. */
export interface Refused {
  readonly code: string
  readonly syscall: string
}

/** Why there is no engine, and the error behind it. */
interface Refusal<Cause = unknown> {
  readonly why: Unavailable
  readonly cause?: Cause
}

/** An engine, and Socks that wait with its mechanism. */
export interface NativeBackend extends Backend {
  readonly socks: SockFactory<NativeSock>
}

/**
 * A backend over the addon `build/Release/NAME.node` of its package, or over `NAME.node` in the folder that
 * `SOCKMAN_ADDONS` names: the same addon built otherwise, such as with fault points (CONTRIBUTING.md).
 */
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
      rejected?: readonly Rejection[],
    ): SockMan {
      const resolved = resolveSockManOptions(options)
      const passedOver = resolveRejected(rejected)
      const addon = load()
      if ('why' in addon) throw unavailableError(spec.name, addon.why, addon)
      const drive = chooseDrive(spec.name, drivesOf(addon), options.drive)
      const row = formatRow({ name: spec.name, drive, settings: settingsOf(options, resolved) })
      const man = new NativeSockMan(events, {
        supports,
        options: resolved,
        select: (details) =>
          Object.freeze({
            backend: spec.name,
            drive,
            row,
            details: Object.freeze({ ...details, ...addon.libraries }),
            rejected: passedOver,
          }),
        open(deliver) {
          const engine = openEngine(spec, addon, deliver, drive === 'inline', resolved)
          if (!('why' in engine)) return engine
          // What the system refuses is unavailable; an error of our own says more.
          if (engine.cause && engine.cause.errno === undefined) throw engine.cause
          throw unavailableError(spec.name, engine.why, engine)
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
    addon,
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
    receiveRateTotal,
    sendRateTotal,
  } = options
  return opened(
    spec,
    addon,
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
        receiveRateTotal,
        sendRateTotal,
      ),
  )
}

/** @throws SockError of a shortage, as it is */
function opened<T extends object>(
  spec: NativeBackendSpec,
  addon: Addon,
  open: () => T,
): T | Refusal<SockError> {
  const feared = rehearse(spec, addon)
  if (feared) return { why: feared }
  try {
    return open()
  } catch (error) {
    const cause = toSockError(error)
    if (!(cause instanceof SockError)) throw cause
    const { code, syscall = '', message } = cause
    if (isResourceError(code) && !spec.lacksAlone?.({ code, syscall })) throw cause
    if (syscall === EXPOSING) return { why: NO_EXTERNAL_BUFFERS, cause }
    return { why: { reason: code, message, remedy: '', ...spec.whenRefused?.({ code, syscall }) }, cause }
  }
}

/** What fails first in a runtime that refuses it (docs/native.md, N26). */
const EXPOSING = 'external ArrayBuffer'
const NO_EXTERNAL_BUFFERS: Unavailable = {
  reason: 'ERR_UNSUPPORTED_RUNTIME',
  message:
    'this runtime allows no external ArrayBuffers, in which the engines receive (Electron, the V8 sandbox)',
  remedy: 'run it in a process of plain Node.js, for example a child process',
}

/** Why the mechanism's system calls are not to be made in this process, under the live seccomp filter. */
function rehearse(spec: NativeBackendSpec, addon: Addon): Unavailable | undefined {
  const rehearsed = addon.rehearse()
  if (!rehearsed) return undefined
  const [end, syscall, number] = rehearsed
  const because = (code: string, message: string): Unavailable => ({
    reason: code,
    message,
    remedy: '',
    ...spec.whenRefused?.({ code, syscall }),
  })
  if (end === 'killed')
    return because('ERR_FILTER_KILLS', `a seccomp filter kills for ${syscall}, with signal ${number}`)
  if (end === 'stalled')
    return because('ERR_FILTER_STALLS', `a seccomp filter had not let ${syscall} return after ${number} ms`)
  if (!spec.oftenFiltered) return undefined
  return {
    reason: 'ERR_FILTER_UNKNOWN',
    message: `a seccomp filter may kill for it, and it cannot be tried in a child process: ${syscall} ${errnoName(number)}`,
    remedy:
      'let this process have one child process (ulimit -u, the pids limit of a container, the seccomp profile)',
  }
}

/** @throws SockError of a shortage, as it is */
function loadAddon(spec: NativeBackendSpec): Addon | Refusal {
  const build = join(dirname(fileURLToPath(spec.url)), '..', 'build')
  const path = join(process.env['SOCKMAN_ADDONS'] || join(build, 'Release'), `${spec.name}.node`)
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
    const barred = whyBarred(path)
    if (barred) return { why: { reason: 'ERR_LOAD_FAILED', ...barred }, cause }
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

/** Why an addon that is there cannot be loaded whatever was built; undefined when it is not so. The loader does not tell. */
function whyBarred(path: string): Pick<Unavailable, 'message' | 'remedy'> | undefined {
  try {
    const { mode } = statSync(path)
    accessSync(path, constants.R_OK)
    if ((mode & 0o111) !== 0) accessSync(path, constants.X_OK)
    return undefined
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code !== 'EACCES') return undefined
    const where = `not loadable: ${path} is not to be`
    return isReadable(path)
      ? {
          message: `${where} executed (${syscall} EACCES)`,
          remedy: 'install it where files may be executed: a folder that is mounted noexec takes no addons',
        }
      : {
          message: `${where} read by this user (${syscall} EACCES)`,
          remedy: 'let the user who runs this program read the package and its folder build',
        }
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
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

/** Deno and Bun take Node-API addons, but have no libuv loop to watch. */
function currentRuntime(): Runtime {
  if (process.versions['bun'] !== undefined) return 'bun'
  return process.versions['deno'] === undefined ? 'node' : 'deno'
}
