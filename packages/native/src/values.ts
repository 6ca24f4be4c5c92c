import { closeSync } from 'node:fs'
import { type Releasable, type ResolvedTcpOptions, SockAddr, takeDescriptor } from '@sockman/core'
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

/** As the native half reads them: the kernel has whole seconds for the probes. */
export const tcpOptions = (options: ResolvedTcpOptions): TcpOptions => [
  options.noDelay === undefined ? UNCHANGED : Number(options.noDelay),
  seconds(options.keepAlive),
  seconds(options.keepAliveInterval),
  options.keepAliveCount ?? UNCHANGED,
  options.userTimeout ?? UNCHANGED,
]

const UNCHANGED = -1

const seconds = (ms: number | undefined): number => (ms === undefined ? UNCHANGED : Math.ceil(ms / 1000))
