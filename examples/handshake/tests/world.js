import { createMemoryNetwork } from '@sockman/core/memory'
import { HandshakeNode } from '../src/handshake-node.js'

/**
 * @import { ConnectionId } from '@sockman/core'
 * @import { MemoryHost, MemoryNetwork, MemoryNetworkOptions } from '@sockman/core/memory'
 * @import { Peer } from '../src/connection.js'
 * @import { Options } from '../src/handshake-node.js'
 */

/** Of every node here. */
export const MAGIC = 0x54534554

/** The seed to play again, where one is given: `SEED=417 node --test`. */
export const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED)

/**
 * A node on a host of its own, and what it told: `ready`, `pong`, `gone REASON`.
 *
 * @typedef {object} Member
 * @property {HandshakeNode} node
 * @property {MemoryHost} host
 * @property {string} address where it listens
 * @property {string[]} events in order, whichever peer they are about
 * @property {Map<ConnectionId, string>} lives of each peer what was told, as `ready;pong;gone STOPPED;`
 */

/**
 * @typedef {object} World
 * @property {MemoryNetwork} network
 * @property {(options?: Options, onReady?: (peer: Peer) => void) => Member} join adds a node
 */

/**
 * Runs `body` in a world of its own and ends it. A failure tells how to play it again, and the last events.
 *
 * @param {MemoryNetworkOptions} options
 * @param {(world: World) => Promise<void>} body
 */
export async function world(options, body) {
  const network = createMemoryNetwork({ seed: SEED ?? 1, ...options })
  /** @type {HandshakeNode[]} */
  const nodes = []
  /** @type {World['join']} */
  const join = (options, onReady) => {
    const host = network.host()
    /** @type {string[]} */
    const events = []
    /** @type {Map<ConnectionId, string>} */
    const lives = new Map()
    /** @type {(peer: Peer, event: string) => void} */
    const tell = ({ id }, event) => {
      events.push(event)
      lives.set(id, `${lives.get(id) ?? ''}${event};`)
    }
    const node = new HandshakeNode(
      host,
      {
        onReady(peer) {
          tell(peer, 'ready')
          onReady?.(peer)
        },
        onPong: (peer) => tell(peer, 'pong'),
        onGone: (peer, reason) => tell(peer, `gone ${reason}`),
      },
      { magic: MAGIC, nonce: BigInt(nodes.length), clock: network, ...options },
    )
    nodes.push(node)
    return { node, host, address: String(node.listen(`${host.addresses[0]}:8333`)), events, lives }
  }
  try {
    await body({ network, join })
  } catch (error) {
    const again = `play it again: SEED=${network.seed} node --test`
    throw new Error(`${error}\n\n${again}\n${network.report(20)}`, { cause: error })
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
}
