import { invalidArgument, SockError } from '../errors'
import type { Sock } from '../sock'
import { MAX_WAIT_FOR_IO, MSG_DONTWAIT, SendEvent } from './constants'
import type { ResolvedSendCompleteOptions } from './options'
import type { Steps } from './steps'

/** `sendComplete` of {@link Sock}, whoever drives it. */
export function* sendComplete(
  sock: Sock,
  data: Uint8Array,
  { timeout, stop }: ResolvedSendCompleteOptions,
): Steps<void> {
  const { length } = data
  const deadline = sock.now() + timeout
  let bytesSent = 0
  const failure = (code: string, what: string): SockError =>
    new SockError(`sendComplete ${what} after ${bytesSent} of ${length} bytes`, {
      code,
      ...(code === 'ABORT_ERR' && stop.signal?.aborted && { cause: stop.signal.reason }),
    })
  try {
    while (bytesSent < length) {
      if (data.length !== length) {
        throw invalidArgument('ERR_INVALID_ARG_TYPE', 'data', `the same ${length} bytes until sent`, data)
      }
      const result = sock.send(data, MSG_DONTWAIT, bytesSent)
      if (result > 0) bytesSent += result
      if (bytesSent === length) return
      const left = deadline - sock.now()
      if (stop.stopped()) throw failure('ABORT_ERR', 'was interrupted')
      if (left <= 0) throw failure('ERR_SOCK_TIMEOUT', `had ${timeout} ms, which passed`)
      yield { events: SendEvent, timeout: Math.min(left, MAX_WAIT_FOR_IO) }
    }
  } catch (error) {
    throw error instanceof SockError ? Object.assign(error, { bytesSent }) : error
  }
}
