import type { Capabilities, Drive } from './capabilities'
import type { SockManOptions } from './options'
import type { SockMan, SockManEvents } from './sock-man'

/** What a probe found, here and now, under the live seccomp filter. */
export type ProbeResult =
  | {
      readonly available: true
      /** The drives that work in this runtime; at least one. */
      readonly drives: readonly Drive[]
      /** Facts of the mechanism, as in `SelectionReport.details`. */
      readonly details: Readonly<Record<string, string | number | boolean>>
    }
  | {
      readonly available: false
      /** An errno name, `ERR_NOT_BUILT`, `ERR_UNSUPPORTED_PLATFORM`, `ERR_LOAD_FAILED`, `ERR_FD_NOT_SELECTABLE`. */
      readonly reason: string
      /** One sentence. */
      readonly message: string
      /** What the user can do, one sentence. */
      readonly remedy: string
    }

/** An engine on offer. Importing the module that exports one loads no addon and never throws. */
export interface Backend {
  /** Its name in a row: `'poll'`, `'iouring'`. */
  readonly name: string
  /** Immutable data, known without loading the addon. */
  readonly supports: Readonly<Capabilities>
  /** Loads the addon and tests what would be used, not only that it is there. Never throws; leaves nothing open. */
  probe(): ProbeResult
  /**
   * A SockMan on this engine, with no fallback.
   *
   * @throws SockError `ERR_BACKEND_UNAVAILABLE` with `backend`, `reason`, `remedy`; `ENOMEM`, `EMFILE` as they are;
   *   `ERR_FD_NOT_SELECTABLE` when its own wake-up descriptor is beyond `supports.descriptorLimit` (C22);
   *   `ERR_UNKNOWN_OPTION`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE`; `ERR_UNSUPPORTED_DRIVE`
   */
  createSockMan(events: SockManEvents, options?: SockManOptions): SockMan
}
