import type { SockAddr } from './address'
import { invalidArgument, SockError } from './errors'

/** For backends: what every SockMan says to a call that it refuses, in the same words. */

export const stopped = (): SockError => new SockError('this SockMan was stopped', { code: 'ERR_STOPPED' })

/** What is no number names nobody, and is not computed with. @throws SockError `ERR_INVALID_ARG_TYPE` */
export function checkId(id: unknown): void {
  if (typeof id !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'id', 'a number', id)
}

export const unknownConnection = (id: number): SockError =>
  new SockError(`no connection ${id}`, { code: 'ERR_UNKNOWN_CONNECTION' })

export const aborted = (target: SockAddr): SockError =>
  new SockError(`connect to ${target} was aborted`, {
    code: 'ABORT_ERR',
    syscall: 'connect',
    ...target.where,
  })

export const queueFull = (
  length: number,
  queued: number,
  limit: 'sendQueueMax' | 'sendTotalMax',
  most: number,
): SockError => {
  const where = limit === 'sendTotalMax' ? ' over all connections; close those that do not read' : ''
  return new SockError(`${length} bytes do not fit: ${queued} of ${limit} ${most} are queued${where}`, {
    code: 'ERR_SEND_QUEUE_FULL',
  })
}
