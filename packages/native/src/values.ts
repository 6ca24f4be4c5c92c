import { closeSync } from 'node:fs'
import { type Releasable, type ResolvedConnectionOptions, SockAddr, takeDescriptor } from '@sockman/core'
import type { TcpOptions } from './binding'
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
export function takeWhileRunning(sock: Releasable, run: RunState): number {
  const fd = takeDescriptor(sock, () => run.assertRunning())
  if (run.stopping) closeAny(fd)
  run.assertRunning()
  return fd
}

function closeAny(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // It was no descriptor.
  }
}

export const tcpOptions = (options: ResolvedConnectionOptions): TcpOptions => [
  Number(options.noDelay),
  options.keepAlive,
  options.keepAliveInterval,
  options.keepAliveCount,
  options.userTimeout,
]
