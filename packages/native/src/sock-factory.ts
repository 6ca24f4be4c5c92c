import { type AddressFamily, invalidArgument, SockError, type SockFactory } from '@sockman/core'
import { checked, notSelectable } from './failure'
import { NativeSock } from './native-sock'
import type { NativeSockHost } from './native-sock-host'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6', 'unix']

/** Where native Socks come from. */
export function sockFactory(host: NativeSockHost): SockFactory<NativeSock> {
  const { calls } = host
  return Object.freeze({
    create(family: AddressFamily): NativeSock {
      if (!FAMILIES.includes(family)) {
        throw invalidArgument('ERR_INVALID_ARG_VALUE', 'family', "'ipv4', 'ipv6' or 'unix'", family)
      }
      const sock = new NativeSock(host, checked(calls.socket(family), 'socket'))
      if (sock.isSelectable()) return sock
      const { fd } = sock
      sock.close()
      throw notSelectable(fd, host.descriptorLimit!)
    },
    fromFd(fd: number): NativeSock {
      if (typeof fd !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'fd', 'a descriptor', fd)
      if (!Number.isInteger(fd) || fd < 0 || fd > 2 ** 31 - 1) {
        throw invalidArgument('ERR_OUT_OF_RANGE', 'fd', 'an integer from 0 to 2147483647', fd)
      }
      checked(calls.check(fd), 'fromFd')
      return new NativeSock(host, fd)
    },
    pair(): [NativeSock, NativeSock] {
      const fds = calls.socketPair()
      if (typeof fds === 'number') throw SockError.fromErrno(fds, 'socketpair')
      return [new NativeSock(host, fds[0]), new NativeSock(host, fds[1])]
    },
  })
}
