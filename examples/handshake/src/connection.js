import { FrameParser } from './frame.js'

/**
 * @import { ConnectionId, SockAddr } from '@sockman/core'
 * @import { Version } from './payload.js'
 */

/**
 * The other end of a connection, from its first event to `onGone`.
 *
 * @typedef {object} Peer
 * @property {ConnectionId} id
 * @property {SockAddr | undefined} address undefined until it is connected
 * @property {boolean} inbound
 * @property {Version | undefined} version undefined until it came
 * @property {boolean} ready whether the handshake is done
 */

/**
 * A peer and what the node must remember of it.
 *
 * @implements {Peer}
 */
export class Connection {
  /** @type {Version | undefined} */
  version
  ready = false
  /** False from a `send` that found no room to `onReadyToSend`; the peer is not read meanwhile. */
  room = true
  /** The one timer: of the handshake, then of the pings. @type {unknown} */
  timer
  /** Of the last ping: its pong must repeat it. */
  nonce = 0n
  /** When the ping was sent whose pong is due. @type {number | undefined} */
  pingedAt
  /** Why it ends, once that is known. @type {string | undefined} */
  reason

  /**
   * @param {ConnectionId} id
   * @param {boolean} inbound
   * @param {number} magic
   */
  constructor(id, inbound, magic) {
    this.id = id
    this.inbound = inbound
    /** @type {SockAddr | undefined} */
    this.address = undefined
    this.parser = new FrameParser(magic)
  }
}
