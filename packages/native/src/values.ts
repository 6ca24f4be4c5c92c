import { invalidArgument, type Releasable, SockAddr } from '@sockman/core'

/** As the native half reads it: the same grammar. */
export function addressText(address: SockAddr): string {
  return address.toString()
}

/** As the native half writes it: a Unix socket without a name has an empty path. */
export function parseAddress(text: string): SockAddr {
  if (text === 'unix:') return SockAddr.unnamed
  try {
    return SockAddr.parse(text)
  } catch (error) {
    // An abstract name may be any bytes (unix(7)); one that is no text of ours counts as none.
    if (text.startsWith('unix:')) return SockAddr.unnamed
    throw error
  }
}

/** The descriptor that `sock` gives away. */
export function takeDescriptor(sock: Releasable): number {
  if (typeof sock?.release !== 'function') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'sock', 'an object with release()', sock)
  }
  const fd = sock.release()
  if (!Number.isInteger(fd) || fd < 0)
    throw invalidArgument('ERR_OUT_OF_RANGE', 'sock.release()', 'a descriptor', fd)
  return fd
}
