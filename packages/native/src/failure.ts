import { type SockAddr, SockError } from '@sockman/core'

/** The error of a failed native call as a SockError; any other error as it is. */
export function toSockError(error: unknown, address?: SockAddr): unknown {
  const { errno, syscall } = error as { errno?: number; syscall?: string }
  if (typeof errno !== 'number' || typeof syscall !== 'string' || error instanceof SockError) return error
  return SockError.fromErrno(errno, syscall, address?.where)
}
