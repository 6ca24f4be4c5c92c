import { SockError } from './errors'

/** Why an engine cannot be used here and now. */
export interface Unavailable {
  /**
   * An errno name; `ERR_FILTER_KILLS`, `ERR_FILTER_STALLS`, `ERR_FILTER_UNKNOWN`: a seccomp filter kills for its system
   * calls, does not let them return, or may, and no child process could be had to try them in; `ERR_FD_NOT_SELECTABLE` (C22);
   * `ERR_NOT_INSTALLED`, `ERR_NOT_BUILT`, `ERR_LOAD_FAILED`, `ERR_UNSUPPORTED_PLATFORM`, `ERR_UNSUPPORTED_RUNTIME`: not
   * even supported; `ERR_UNSUPPORTED_DRIVE`, `ERR_MISSING_CAPABILITY`: not what is asked for; `ERR_UNKNOWN_BACKEND`, `ERR_NO_BACKEND`: there is none.
   */
  readonly reason: string
  /** One sentence. */
  readonly message: string
  /** What the user can do, one sentence; empty when only another engine helps. */
  readonly remedy: string
  /** Facts that are known all the same, as in `SelectionReport.details`. */
  readonly details?: Readonly<Record<string, string | number | boolean>>
  /** What the user should know before trying `remedy`: another engine is then recommended first. */
  readonly caution?: string
}

const UNSUPPORTED: ReadonlySet<string> = new Set([
  'ERR_NOT_INSTALLED',
  'ERR_NOT_BUILT',
  'ERR_LOAD_FAILED',
  'ERR_UNSUPPORTED_PLATFORM',
  'ERR_UNSUPPORTED_RUNTIME',
])

/** Whether an {@link Unavailable.reason} means that the engine is not installed or not built, whatever the kernel says. */
export function isUnsupported(reason: string): boolean {
  return UNSUPPORTED.has(reason)
}

/**
 * What to do, in words: the remedy and, when it is known, the next best engine; that comes first where there is a
 * caution.
 *
 * @param instead name of the next best engine
 */
export function remedyFor({ caution, remedy }: Unavailable, instead?: string): string {
  const other =
    instead === undefined ? 'choose another engine' : `choose ${instead}, the next best engine here`
  if (caution !== undefined) return `${caution}: ${other}; ${remedy}`
  if (remedy === '') return other
  return instead === undefined ? remedy : `${remedy}; or ${other}`
}

/** The error `ERR_BACKEND_UNAVAILABLE` of an engine that was named. @param instead as in {@link remedyFor} */
export function unavailableError(
  backend: string,
  why: Unavailable,
  { instead, cause }: { instead?: string | undefined; cause?: unknown } = {},
): SockError {
  const { reason, message } = why
  const remedy = remedyFor(why, instead)
  return new SockError(`${backend} is unavailable here (${message}): ${remedy}`, {
    code: 'ERR_BACKEND_UNAVAILABLE',
    backend,
    reason,
    remedy,
    cause,
  })
}
