import { errnoOf } from '../errors'

/**
 * Every errno that each call can return, by name. The first is permanent wherever callers retry, and an exhausted source
 * picks the first: no retry loop runs for ever. Source: `FuzzedSock` of Bitcoin Core's `test/fuzz/util/net.cpp`;
 * shutdown(2). What {@link FuzzedSock} answers, and what the native half is made to meet (C76).
 */
export const CALL_ERRNOS = {
  send: [
    ...['EACCES', 'EAGAIN', 'EALREADY', 'EBADF', 'ECONNRESET', 'EDESTADDRREQ', 'EFAULT', 'EINTR', 'EINVAL'],
    ...['EISCONN', 'EMSGSIZE', 'ENOBUFS', 'ENOMEM', 'ENOTCONN', 'ENOTSOCK', 'EOPNOTSUPP', 'EPIPE'],
  ],
  recv: ['ECONNREFUSED', 'EAGAIN', 'EBADF', 'EFAULT', 'EINTR', 'EINVAL', 'ENOMEM', 'ENOTCONN', 'ENOTSOCK'],
  connect: [
    ...['ECONNREFUSED', 'EAGAIN', 'ECONNRESET', 'EHOSTUNREACH', 'EINPROGRESS', 'EINTR', 'ENETUNREACH'],
    'ETIMEDOUT',
  ],
  bind: ['EACCES', 'EADDRINUSE', 'EADDRNOTAVAIL', 'EAGAIN'],
  listen: ['EADDRINUSE', 'EINVAL', 'EOPNOTSUPP'],
  accept: ['ECONNABORTED', 'EINTR', 'ENOMEM', 'EAGAIN'],
  sockOpt: ['ENOMEM', 'ENOBUFS'],
  name: ['ECONNRESET', 'ENOBUFS', 'ENOTCONN'],
  nonBlocking: ['EBADF', 'EPERM'],
  shutdown: ['ENOTCONN', 'EBADF', 'EINVAL', 'ENOTSOCK'],
  wait: ['EBADF', 'EINTR', 'EINVAL'],
} as const satisfies Record<string, readonly [string, ...string[]]>

/** The same as positive numbers. */
export function errnosOf(call: keyof typeof CALL_ERRNOS): readonly number[] {
  return CALL_ERRNOS[call].map((name) => errnoOf(name))
}
