import { SendEvent, SO_ERROR, SOL_SOCKET, SockAddr, SockError } from '@sockman/core'
import { socks5Connect } from './socks5.js'

/** @import { SockFactory } from '@sockman/core' */
/** @import { Destination, Socks5Options } from './socks5.js' */

/**
 * A Sock that speaks to `destination` through a SOCKS5 proxy. From here on a SockMan can have it, in one call:
 *
 *     man.adopt(await dial(backend.socks, '127.0.0.1:9050', { host: 'example.onion', port: 8333 }))
 *
 * @template {import('@sockman/core').Sock} S
 * @param {Pick<SockFactory<S>, 'create'>} socks a backend's `socks`, or a test's
 * @param {SockAddr | string} proxy
 * @param {Destination} destination
 * @param {Socks5Options & { connectTimeout?: number }} [options] `connectTimeout`: ms to reach the proxy, default 5 000
 * @returns {Promise<S>} the caller's to close; whatever fails, nothing stays open
 */
export async function dial(socks, proxy, destination, { connectTimeout = 5000, ...options } = {}) {
  const address = SockAddr.from(proxy)
  const sock = socks.create(address.family)
  try {
    await connect(sock, address, connectTimeout, options.signal)
    await socks5Connect(sock, destination, options)
    return sock
  } catch (error) {
    sock.close()
    throw error
  }
}

/**
 * connect(2) that waits for its end without blocking.
 *
 * @param {import('@sockman/core').Sock} sock
 * @param {SockAddr} address
 * @param {number} timeout
 * @param {import('@sockman/core').StopSignal | undefined} signal
 */
async function connect(sock, address, timeout, signal) {
  if (sock.connect(address) === 0) return
  if ((await sock.wait(timeout, SendEvent, { signal })) === 0) {
    throw new SockError(`no connection to ${address} within ${timeout} ms`, {
      code: 'ETIMEDOUT',
      ...address.where,
    })
  }
  const errno = sock.getSockOpt(SOL_SOCKET, SO_ERROR)
  if (errno !== 0) throw SockError.fromErrno(errno, 'connect', address.where)
}
