import { SockError } from '../errors'
import type { Sock } from '../sock'
import { MAX_WAIT_FOR_IO, MSG_DONTWAIT, MSG_PEEK, RecvEvent } from './constants'
import type { ResolvedRecvOptions } from './options'
import type { Steps } from './steps'

/** What is peeked at a time, as in Bitcoin Core. */
const PEEK = 512

/** Peeks in a row, 64 KiB, before the rest of the program has a turn. */
const TURN = 128

/** Used between two pauses only, so one is enough for all Socks of this thread. */
const scratch = new Uint8Array(PEEK)

/** `recvUntilTerminator` of {@link Sock}, whoever drives it. */
export function* recvUntilTerminator(
  sock: Sock,
  terminator: number,
  { timeout, stop, maxData }: ResolvedRecvOptions,
): Steps<Uint8Array> {
  const deadline = sock.now() + timeout
  const received = new Received()
  let peeks = 0
  const failure = (code: string, what: string, more: { maxData?: number } = {}): SockError =>
    new SockError(`recvUntilTerminator ${what} after ${received.length} bytes`, {
      code,
      ...more,
      ...(code === 'ABORT_ERR' && stop.signal?.aborted && { cause: stop.signal.reason }),
    })
  try {
    for (;;) {
      if (received.length >= maxData) {
        throw failure('ERR_SOCK_MAX_DATA', `met no terminator, and maxData is ${maxData},`, { maxData })
      }
      let result = sock.recv(scratch, MSG_PEEK | MSG_DONTWAIT, Math.min(PEEK, maxData - received.length))
      if (result > 0) {
        const end = scratch.subarray(0, result).indexOf(terminator)
        result = sock.recv(scratch, MSG_DONTWAIT, end < 0 ? result : end + 1)
        if (result > 0) {
          const read = scratch.subarray(0, result)
          const found = read.indexOf(terminator)
          if (found === result - 1) return received.with(read.subarray(0, found))
          received.add(read)
          if (found >= 0) {
            throw failure(
              'ERR_SOCK_PEEK',
              'read other bytes than it had peeked, so somebody else reads here,',
            )
          }
        }
      }
      if (result === 0) throw failure('ERR_SOCK_EOF', 'met the end of the stream')
      const left = deadline - sock.now()
      if (stop.stopped()) throw failure('ABORT_ERR', 'was interrupted')
      if (left <= 0) throw failure('ERR_SOCK_TIMEOUT', `had ${timeout} ms, which passed`)
      // After progress the next peek tells whether there is more, until others shall have a turn.
      if (result < 0 || ++peeks % TURN === 0)
        yield { events: RecvEvent, timeout: Math.min(left, MAX_WAIT_FOR_IO) }
    }
  } catch (error) {
    throw error instanceof SockError ? Object.assign(error, { received: received.bytes() }) : error
  }
}

/** Bytes in order, in memory that doubles. */
class Received {
  #memory = new Uint8Array(0)
  length = 0

  add(bytes: Uint8Array): void {
    const needed = this.length + bytes.length
    if (needed > this.#memory.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#memory.length))
      larger.set(this.bytes())
      this.#memory = larger
    }
    this.#memory.set(bytes, this.length)
    this.length = needed
  }

  bytes(): Uint8Array {
    return this.#memory.subarray(0, this.length)
  }

  /** All of them and `last`, in memory of their own and no more. */
  with(last: Uint8Array): Uint8Array {
    if (this.length === 0) return new Uint8Array(last)
    const whole = new Uint8Array(this.length + last.length)
    whole.set(this.bytes())
    whole.set(last, this.length)
    return whole
  }
}

/** @throws SockError `ERR_INVALID_UTF8`, with the bytes in `received` */
export function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    const text = `recvUntilTerminator received ${bytes.length} bytes that are no UTF-8; leave out options.encoding to get bytes`
    throw new SockError(text, { code: 'ERR_INVALID_UTF8', received: bytes, cause })
  }
}
