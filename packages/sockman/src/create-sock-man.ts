import {
  checkEvents,
  invalidArgument,
  isObject,
  type Requirements,
  resolveSockManOptions,
  type SockError,
  type SockMan,
  type SockManEvents,
  type SockManOptions,
} from '@sockman/core'
import { choose, type Refused, type Request, readRequest } from './request'

export interface CreateOptions extends SockManOptions {
  /**
   * A row, `name[:drive][:key=value…]`; the name `auto` is the first engine that fits. Default: the environment
   * variable `SOCKMAN_BACKEND`, else `auto`. What the row says comes before the options beside it.
   */
  backend?: string | undefined
  /** What the engine must be able to do, whoever names it. */
  require?: Requirements | undefined
  /** Do not read `SOCKMAN_BACKEND`. Default false. */
  ignoreEnv?: boolean | undefined
}

/**
 * A SockMan on the engine that is asked for: by name it is that one or an error, never another; with `auto` the
 * first of `candidates` that is installed, built, works here and now with these options, and has the drive and what is
 * required. Which one and why: {@link SockMan.selection}, also published on the channel `sockman:selection`.
 *
 * @throws SockError `ERR_BACKEND_UNAVAILABLE` with `backend`, `reason` (`EPERM`, `ENOSYS`, `ERR_NOT_INSTALLED`,
 *   `ERR_NOT_BUILT`, `ERR_UNSUPPORTED_DRIVE`, `ERR_MISSING_CAPABILITY`, `ERR_UNKNOWN_BACKEND` …) and `remedy`; `ENOMEM`,
 *   `EMFILE` … as they are: a shortage that is not one mechanism's alone is no reason to take another engine;
 *   `ERR_UNKNOWN_OPTION`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
 */
export async function createSockMan(events: SockManEvents, options: CreateOptions = {}): Promise<SockMan> {
  checkEvents('events', events)
  if (!isObject(options)) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options', 'an object', options)
  const { backend, require, ignoreEnv = false, ...beside } = options
  if (typeof ignoreEnv !== 'boolean')
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options.ignoreEnv', 'true or false', ignoreEnv)
  const request = readRequest(backend, ignoreEnv)
  assertNoContradiction(request, beside)
  const settings = { ...beside, ...request.options }
  resolveSockManOptions(settings)
  const refused: Refused[] = []
  for (;;) {
    const { backend, drive, rejected } = await choose(request, settings.drive, require, refused)
    try {
      return backend.createSockMan(events, { ...settings, drive }, rejected)
    } catch (error) {
      if (request.row.name !== 'auto' || (error as SockError).code !== 'ERR_BACKEND_UNAVAILABLE') throw error
      // The probe had less to ask for, or what it gave back is not free yet.
      refused.push(asRefused(backend.name, error as SockError))
    }
  }
}

function asRefused(name: string, error: SockError): Refused {
  const { reason = error.code, remedy = '', cause } = error
  const message = cause instanceof Error ? cause.message : error.message
  return { name, why: { reason, message, remedy } }
}

/** The environment may overrule a program, a program not itself. */
function assertNoContradiction({ source, options }: Request, beside: SockManOptions): void {
  if (source !== 'option') return
  for (const key of Object.keys(options) as (keyof SockManOptions)[]) {
    if (beside[key] === undefined || beside[key] === options[key]) continue
    const expected = `${options[key]} or absent, as options.backend says`
    throw invalidArgument('ERR_INVALID_ARG_VALUE', `options.${key}`, expected, beside[key])
  }
}
