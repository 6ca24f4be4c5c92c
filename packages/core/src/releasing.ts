import { invalidArgument } from './errors'
import { isRevoked } from './objects'
import { checkInteger } from './sock/options'
import type { Releasable } from './sock-man'

/**
 * For backends: the descriptor that `sock` gives away, which the caller owns then.
 *
 * @param assertRunning called between the caller's code that finds `release` and that which runs it
 * @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
export function takeDescriptor(sock: Releasable, assertRunning: () => void): number {
  const release = isRevoked(sock) ? undefined : sock?.release
  if (typeof release !== 'function')
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'sock', 'an object with release()', sock)
  assertRunning()
  return checkInteger('sock.release()', release.call(sock), 0, 2 ** 31 - 1)
}
