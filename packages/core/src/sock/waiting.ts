import { SockError } from '../errors'
import type { ThreadInterrupt } from '../interrupt'
import { ErrorEvent } from './constants'
import type { Descriptor } from './descriptor'
import type { SockHost, WaitRequest } from './host'
import type { Stop } from './options'

/** A request, and the descriptor that it keeps open. */
export interface HeldRequest extends WaitRequest {
  readonly descriptor: Descriptor
}

/**
 * Waits without blocking. Every descriptor stays open until the wait is over; closing one of the Socks, or aborting
 * `signal`, ends it early.
 */
export function waitFor(
  host: SockHost,
  requests: readonly HeldRequest[],
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    // `done` never comes synchronously, so `cancel` is there when it does.
    const cancel = host.wait(requests, timeout, (error) => {
      signal?.removeEventListener('abort', cancel)
      for (const { descriptor } of requests) descriptor.drop(cancel)
      markClosed(requests)
      if (error) reject(error)
      else resolve()
    })
    for (const { descriptor } of requests) descriptor.hold(cancel)
    signal?.addEventListener('abort', cancel)
  })
}

/** The same, blocking the thread: nobody can close one of the Socks meanwhile. */
export function waitForSync(
  host: SockHost,
  requests: readonly HeldRequest[],
  timeout: number,
  interrupt: ThreadInterrupt | undefined,
): void {
  host.waitSync(requests, timeout, interrupt)
  markClosed(requests)
}

/** The public wait: stopping it is an error, unless something had occurred. */
export async function waitOrThrow(
  host: SockHost,
  requests: readonly HeldRequest[],
  timeout: number,
  stop: Stop,
): Promise<void> {
  throwIfStopped(stop)
  await waitFor(host, requests, timeout, stop.signal)
  if (requests.every((request) => request.occurred === 0)) throwIfStopped(stop)
}

/** The same, blocking the thread. */
export function waitOrThrowSync(
  host: SockHost,
  requests: readonly HeldRequest[],
  timeout: number,
  stop: Stop,
): void {
  throwIfStopped(stop)
  waitForSync(host, requests, timeout, stop.interrupt)
  if (requests.every((request) => request.occurred === 0)) throwIfStopped(stop)
}

function throwIfStopped(stop: Stop): void {
  if (!stop.stopped()) return
  throw new SockError('the wait was interrupted', {
    code: 'ABORT_ERR',
    ...(stop.signal?.aborted && { cause: stop.signal.reason }),
  })
}

function markClosed(requests: readonly HeldRequest[]): void {
  for (const request of requests) if (!request.descriptor.owned) request.occurred |= ErrorEvent
}
