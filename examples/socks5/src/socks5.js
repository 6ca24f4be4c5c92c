import { recvExactly } from './recv-exactly.js'
import { Socks5Error } from './socks5-error.js'

/** @import { Sock, StopSignal } from '@sockman/core' */

/**
 * @typedef {object} Destination
 * @property {string} host a name or an address: the proxy resolves it, so no DNS query leaves this machine
 * @property {number} port 1 to 65 535
 */

/**
 * @typedef {object} Socks5Options
 * @property {{ username: string, password: string }} [credentials] each 1 to 255 bytes
 * @property {number} [timeout] ms for the whole handshake, default 20 000
 * @property {StopSignal | undefined} [signal] ends it with `ABORT_ERR`
 */

const VERSION = 5
const CONNECT = 1
const METHOD = { none: 0, password: 2, noneAcceptable: 255 }
const ADDRESS = { ipv4: 1, name: 3, ipv6: 4 }
const SUCCEEDED = 0

/** RFC 1928 section 6, and Tor's (socks-extensions.txt). */
const REPLIES = new Map([
  [1, 'general failure'],
  [2, 'connection not allowed'],
  [3, 'network unreachable'],
  [4, 'host unreachable'],
  [5, 'connection refused'],
  [6, 'TTL expired'],
  [7, 'command not supported'],
  [8, 'address type not supported'],
  [0xf0, 'onion service descriptor can not be found'],
  [0xf1, 'onion service descriptor is invalid'],
  [0xf6, 'onion service invalid address'],
])

/**
 * Asks the proxy behind `sock` to connect to `destination` (RFC 1928, with RFC 1929 for `credentials`). Afterwards
 * `sock` speaks to the destination. What that has sent already is still unread: not a byte too many is taken.
 *
 * @param {Sock} sock connected to the proxy, non-blocking
 * @param {Destination} destination
 * @param {Socks5Options} [options]
 */
export async function socks5Connect(sock, { host, port }, options = {}) {
  const name = field('host', host)
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new RangeError(`port ${port} is not 1 to 65535`)
  const { credentials, timeout = 20_000, signal } = options
  const login = credentials && [
    ...field('username', credentials.username),
    ...field('password', credentials.password),
  ]
  const deadline = sock.now() + timeout
  const left = () => ({ timeout: Math.max(0, deadline - sock.now()), signal })
  /** @param {number[]} bytes */
  const send = (...bytes) => sock.sendComplete(Uint8Array.from(bytes), left())
  /** @param {number} length */
  const recv = (length) => recvExactly(sock, length, left())

  const methods = login ? [METHOD.none, METHOD.password] : [METHOD.none]
  await send(VERSION, methods.length, ...methods)
  const [version, method = METHOD.noneAcceptable] = await recv(2)
  expectByte('version', version, VERSION)
  if (method === METHOD.noneAcceptable)
    throw new Socks5Error('SOCKS5_AUTH', 'the proxy accepts no method on offer')
  if (!methods.includes(method)) throw new Socks5Error('SOCKS5_PROTOCOL', `the proxy chose method ${method}`)
  if (login && method === METHOD.password) {
    await send(1, ...login)
    const [loginVersion, status] = await recv(2)
    expectByte('version of the login', loginVersion, 1)
    if (status !== 0) throw new Socks5Error('SOCKS5_AUTH', `the proxy refuses the login, status ${status}`)
  }

  await send(VERSION, CONNECT, 0, ADDRESS.name, ...name, port >> 8, port & 255)
  const [replyVersion, reply = 1, reserved, kind = 0] = await recv(4)
  expectByte('version of the reply', replyVersion, VERSION)
  if (reply !== SUCCEEDED) {
    const what = REPLIES.get(reply) ?? 'unknown reply'
    throw new Socks5Error(
      'SOCKS5_REFUSED',
      `the proxy did not connect to ${host}:${port}: ${what} (${reply})`,
      reply,
    )
  }
  expectByte('reserved byte', reserved, 0)
  // Where the proxy is bound is nothing that a client needs, but it has to be read.
  if (kind === ADDRESS.ipv4) await recv(4 + 2)
  else if (kind === ADDRESS.ipv6) await recv(16 + 2)
  else if (kind === ADDRESS.name) {
    const [length = 0] = await recv(1)
    await recv(length + 2)
  } else throw new Socks5Error('SOCKS5_PROTOCOL', `the proxy's address is of the unknown kind ${kind}`)
}

/**
 * Its length and its bytes.
 *
 * @param {string} name
 * @param {string} text
 */
function field(name, text) {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length < 1 || bytes.length > 255) {
    throw new RangeError(`${name} has 1 to 255 bytes, not ${bytes.length}`)
  }
  return [bytes.length, ...bytes]
}

/**
 * @param {string} what
 * @param {number | undefined} actual
 * @param {number} expected
 */
function expectByte(what, actual, expected) {
  if (actual === expected) return
  throw new Socks5Error('SOCKS5_PROTOCOL', `the proxy's ${what} is ${actual}, not ${expected}`)
}
