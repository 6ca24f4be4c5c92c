import { type SockAddr, SockError } from '@sockman/core'

/** The error of a failed native call as a SockError; any other error as it is. */
export function toSockError(error: unknown, address?: SockAddr): unknown {
  const { errno, syscall, descriptor, descriptorLimit } = error as NativeFailure
  if (typeof errno !== 'number' || typeof syscall !== 'string' || error instanceof SockError) return error
  if (descriptor !== undefined) return notSelectable(descriptor, descriptorLimit!, address)
  return SockError.fromErrno(errno, syscall, address?.where)
}

/** What `binding.h` throws. */
interface NativeFailure {
  errno?: number
  syscall?: string
  descriptor?: number
  descriptorLimit?: number
}

/** The answer of a native call; what it throws is thrown on as a SockError about `address`. */
export function attempt<T>(call: () => T, address?: SockAddr): T {
  try {
    return call()
  } catch (error) {
    throw toSockError(error, address)
  }
}

/** The answer of a call that answers a negative errno when it fails. */
export function checked(answer: number, syscall: string): number {
  if (answer < 0) throw SockError.fromErrno(answer, syscall)
  return answer
}

/** A descriptor that the engine cannot watch (C22). */
export function notSelectable(descriptor: number, limit: number, address?: SockAddr): SockError {
  const at = address ? `${address}: ` : ''
  return new SockError(
    `${at}descriptor ${descriptor} cannot be watched, only those below ${limit} can: hold fewer descriptors open, ` +
      'or choose a backend whose descriptorLimit is null',
    { code: 'ERR_FD_NOT_SELECTABLE', ...address?.where },
  )
}
