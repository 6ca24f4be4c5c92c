import { GRANTED } from './proxy.js'

/** @import { ConnectionId, SockMan } from '@sockman/core' */
/** @import { MemoryHost } from '@sockman/core/memory' */

const REFUSED = [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]

/**
 * A SOCKS5 proxy without logins, over a SockMan. It answers only when the destination has spoken, so that its reply and the
 * first bytes behind it leave together.
 *
 * @param {MemoryHost} host
 * @param {string} address where it listens
 * @param {Record<string, string>} names host names and their addresses
 * @param {{ dropAfter?: number, reset?: boolean }} [loss] it closes a connection after so many bytes of its handshake
 * @returns {SockMan}
 */
export function serveProxy(
  host,
  address,
  names,
  { dropAfter = Number.POSITIVE_INFINITY, reset = false } = {},
) {
  /** @type {Map<ConnectionId, number[]>} */
  const handshakes = new Map()
  /** @type {Map<ConnectionId, ConnectionId>} */
  const partners = new Map()
  /** @type {Set<ConnectionId>} */
  const silent = new Set()

  /** @type {SockMan} */
  const man = host.createSockMan({
    onAccepted: (id) => void handshakes.set(id, []),
    onData(id, data) {
      const handshake = handshakes.get(id)
      if (handshake) {
        handshake.push(...data)
        if (handshake.length >= dropAfter) man.close(id, { reset })
        else negotiate(id, handshake, handshake.length - data.length)
        return
      }
      const partner = partners.get(id)
      if (partner === undefined) return
      if (silent.delete(id)) man.send(partner, Uint8Array.from(GRANTED))
      man.send(partner, data)
    },
    onConnectFailed(id) {
      const partner = partners.get(id)
      if (partner === undefined) return
      man.send(partner, Uint8Array.from(REFUSED))
      part(id)
    },
    onClosed: part,
  })

  /**
   * @param {ConnectionId} id
   * @param {number[]} bytes all that came so far
   * @param {number} before how many came before this time
   */
  function negotiate(id, bytes, before) {
    const greeting = 2 + (bytes[1] ?? 0)
    if (before < greeting && bytes.length >= greeting) man.send(id, Uint8Array.of(5, 0))
    const length = bytes[greeting + 4]
    if (length === undefined || bytes.length < greeting + 5 + length + 2) return
    const name = String.fromCharCode(...bytes.slice(greeting + 5, greeting + 5 + length))
    const [high = 0, low = 0] = bytes.slice(greeting + 5 + length)
    handshakes.delete(id)
    const onward = man.connect(`${names[name]}:${high * 256 + low}`)
    partners.set(id, onward)
    partners.set(onward, id)
    silent.add(onward)
  }

  /** @param {ConnectionId} id */
  function part(id) {
    handshakes.delete(id)
    const partner = partners.get(id)
    if (partner === undefined) return
    partners.delete(id)
    partners.delete(partner)
    man.close(partner, { flush: true })
  }

  man.listen(address)
  return man
}
