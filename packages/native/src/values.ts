import { closeSync } from 'node:fs'
import { invalidArgument, type Releasable, SockAddr } from '@sockman/core'
import type { RunState } from './run-state'

/** As the native half reads it: the same grammar. */
export function addressText(address: SockAddr): string {
  return address.toString()
}

/** As the native half writes it: a Unix socket without a name has an empty path. */
export function parseAddress(text: string): SockAddr {
  if (text === 'unix:') return SockAddr.unnamed
  try {
    return SockAddr.parse(text)
  } catch {
    // An abstract name may be any bytes (unix(7)); one that is no text of ours counts as none.
    return SockAddr.unnamed
  }
}

/** The descriptor that `sock` gives away to a SockMan that is running, also after `release` has run. */
export function takeDescriptor(sock: Releasable, run: RunState): number {
  const release = sock?.release
  if (typeof release !== 'function') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'sock', 'an object with release()', sock)
  }
  run.assertRunning()
  const fd = release.call(sock)
  if (!Number.isInteger(fd) || fd < 0)
    throw invalidArgument('ERR_OUT_OF_RANGE', 'sock.release()', 'a descriptor', fd)
  if (run.stopping) closeSync(fd)
  run.assertRunning()
  return fd
}
