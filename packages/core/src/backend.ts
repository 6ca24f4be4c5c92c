import type { Capabilities, Drive } from './capabilities'
import type { SockManOptions } from './options'
import type { SockFactory } from './sock/factory'
import type { Rejection, SockMan, SockManEvents } from './sock-man'
import type { Unavailable } from './unavailable'

/** What a probe found, here and now, under the live seccomp filter. */
export type ProbeResult =
  | {
      readonly available: true
      /** The drives that work in this runtime; at least one. */
      readonly drives: readonly Drive[]
      /** Facts of the mechanism, as in `SelectionReport.details`. */
      readonly details: Readonly<Record<string, string | number | boolean>>
    }
  | ({ readonly available: false } & Unavailable)

/** An engine on offer. Importing the module that exports one loads no addon and never throws. */
export interface Backend {
  /** Its name in a row: `'poll'`, `'iouring'`. */
  readonly name: string
  /** Immutable data, known without loading the addon. */
  readonly supports: Readonly<Capabilities>
  /**
   * Loads the addon and tests what would be used, not only that it is there. Leaves nothing open.
   *
   * @throws SockError `ENOMEM`, `EMFILE` … as they are: a shortage says nothing about the engine, unless it is one that
   *   only this mechanism can have
   */
  probe(): ProbeResult
  /**
   * A SockMan on this engine, with no fallback.
   *
   * @throws SockError `ERR_BACKEND_UNAVAILABLE` with `backend`, `reason`, `remedy`; `ENOMEM`, `EMFILE` as they are;
   *   `ERR_FD_NOT_SELECTABLE` when its own wake-up descriptor is beyond `supports.descriptorLimit` (C22);
   *   `ERR_UNKNOWN_OPTION`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE`; `ERR_UNSUPPORTED_DRIVE`
   *
   * @param rejected for `selection.rejected`: what whoever chose this backend passed over; default none
   */
  createSockMan(events: SockManEvents, options?: SockManOptions, rejected?: readonly Rejection[]): SockMan
  /**
   * Its Socks, which wait with its mechanism; absent where it has none. The first use loads the addon.
   *
   * @throws SockError `ERR_BACKEND_UNAVAILABLE`, `ENOMEM`, `EMFILE`, `ERR_FD_NOT_SELECTABLE` as `createSockMan`
   */
  readonly socks?: SockFactory
}
