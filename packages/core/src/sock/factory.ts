import type { AddressFamily } from '../address'
import type { Sock } from '../sock'

/**
 * Where Socks of a kind come from. Code that takes one instead of a backend runs on mocks as well; after `CreateSock`
 * of Bitcoin Core's `netbase.cpp`, the seam through which every mock enters there.
 */
export interface SockFactory<S extends Sock = Sock> {
  /**
   * A new stream socket: non-blocking, close-on-exec, `TCP_NODELAY` for IP.
   *
   * @throws SockError `EMFILE`, `EAFNOSUPPORT` …; `ERR_FD_NOT_SELECTABLE`; `ERR_INVALID_ARG_VALUE` for no family
   */
  create(family: AddressFamily): S
  /**
   * Takes ownership of an open socket and leaves its flags as they are.
   *
   * @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `EBADF`, `ENOTSOCK`: the descriptor stays the caller's
   */
  fromFd(fd: number): S
  /** `socketPair()`: two connected Unix stream sockets, non-blocking, close-on-exec. @throws SockError `EMFILE` … */
  pair(): [S, S]
}
