import { describe, test } from 'vitest'
import { SockError } from '../src'
import { type SockKind, sockConformance } from '../src/conformance'
import { DynSock, MockClock, type Pipes } from '../src/mock'

/** A table of fake descriptors: what is open, and the pipes behind each. */
class CountingClock extends MockClock {
  readonly open = new Map<number, Pipes | undefined>()
  override own(fd: number): void {
    this.open.set(fd, this.open.get(fd))
  }
  override close(fd: number): number {
    this.open.delete(fd)
    return 0
  }
}

const clock = new CountingClock()
const mocks: SockKind = {
  pair() {
    const pair = DynSock.pair(clock, 200_000)
    for (const sock of pair) clock.open.set(sock.fd, sock.pipes)
    return pair
  },
  fromFd(fd) {
    const pipes = clock.open.get(fd)
    const sock = new DynSock({ clock, fd, ...(pipes && { pipes }) })
    if (pipes) return sock
    sock.close()
    throw SockError.fromErrno(9, 'fromFd')
  },
  isOpen: (fd) => clock.open.has(fd),
}
sockConformance(mocks, { describe, test })
