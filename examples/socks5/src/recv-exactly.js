import { MSG_DONTWAIT, RecvEvent, SockError } from '@sockman/core'

/** @import { Sock, StopSignal } from '@sockman/core' */

/**
 * Receives exactly `length` bytes and leaves the next one where it is.
 *
 * @param {Sock} sock
 * @param {number} length
 * @param {{ timeout: number, signal?: StopSignal | undefined }} options
 * @returns {Promise<Uint8Array>}
 */
export async function recvExactly(sock, length, { timeout, signal }) {
  const deadline = sock.now() + timeout
  const bytes = new Uint8Array(length)
  let have = 0
  while (have < length) {
    const count = sock.recv(bytes.subarray(have), MSG_DONTWAIT)
    if (count > 0) have += count
    else if (count === 0) throw new SockError('the proxy hung up', { code: 'ERR_SOCK_EOF' })
    else if (sock.now() >= deadline) {
      throw new SockError(`the proxy sent ${have} of ${length} bytes in time`, { code: 'ERR_SOCK_TIMEOUT' })
    } else await sock.wait(deadline - sock.now(), RecvEvent, { signal })
  }
  return bytes
}
