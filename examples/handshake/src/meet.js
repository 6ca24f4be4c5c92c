import { HandshakeNode } from './handshake-node.js'

/**
 * @import { Backend } from '@sockman/core'
 * @import { Handlers, Options } from './handshake-node.js'
 */

/**
 * Two nodes meet, shake hands, ping each other once and part. Resolves when everything is closed, rejects when one loses
 * the other.
 *
 * @param {Backend} server
 * @param {Backend} client
 * @param {string} address where the server listens
 * @param {(line: string) => void} log
 * @param {Options} [options]
 */
export async function meet(server, client, address, log, options = {}) {
  /** @type {HandshakeNode[]} */
  const nodes = []
  /** @type {Promise<void>} */
  const met = new Promise((resolve, reject) => {
    const pinged = new Set()
    /**
     * @param {string} name
     * @returns {Handlers}
     */
    const handlers = (name) => ({
      onReady: (peer) => log(`${name}: ready, ${peer.address} is ${peer.version?.userAgent}`),
      onPong: (_peer, roundTrip) => {
        log(`${name}: pong after ${roundTrip.toFixed(1)} ms`)
        if (pinged.add(name).size === nodes.length) resolve()
      },
      onGone: (_peer, reason) => {
        log(`${name}: gone, ${reason}`)
        reject(new Error(`${name} lost its peer: ${reason}`))
      },
    })
    const [serving, dialing] = [
      new HandshakeNode(server, handlers('server'), { userAgent: '/server:1.0/', ...options }),
      new HandshakeNode(client, handlers('client'), { userAgent: '/client:1.0/', ...options }),
    ]
    nodes.push(serving, dialing)
    dialing.connect(String(serving.listen(address)))
  })
  try {
    await met
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
}
