// A node of a small peer-to-peer protocol, after Bitcoin's: `version` and `verack` both ways, then a `ping` now and
// then, each answered by a `pong`.
//
//     outbound            inbound
//     version  ─────────▶
//              ◀───────── version, verack
//     verack   ─────────▶
//     ping     ◀────────▶ pong
import { REAL_CLOCK } from './clock.js'
import { Connection } from './connection.js'
import { encode } from './frame.js'
import { decodeNonce, decodeVersion, encodeNonce, encodeVersion } from './payload.js'
import { ProtocolError } from './protocol-error.js'

/**
 * @import { Backend, ConnectionId, SockAddr, SockManOptions, Stats } from '@sockman/core'
 * @import { Clock } from './clock.js'
 * @import { Peer } from './connection.js'
 * @import { Message } from './frame.js'
 * @import { Version } from './payload.js'
 */

/**
 * @typedef {object} Handlers
 * @property {(peer: Peer) => void} [onReady] the handshake is done
 * @property {(peer: Peer, roundTrip: number) => void} [onPong] ms
 * @property {(peer: Peer, reason: string) => void} [onGone] the last of a peer, whatever ended it: an errno name (a
 *   connection that failed or broke), `CLOSED` or, in the middle of a message, `TRUNCATED` (the peer ended it),
 *   `HANDSHAKE_TIMEOUT`, `PING_TIMEOUT`, `STALLED` (it does not read), `SELF`, `DROPPED`, `STOPPED`, or the code of a
 *   {@link ProtocolError}: `WRONG_MAGIC`, `OVERSIZED`, `BAD_CHECKSUM`, `MALFORMED`, `UNEXPECTED`
 */

/**
 * @typedef {object} Options
 * @property {number} [magic] of the network, 0 to 2³² − 1
 * @property {string} [userAgent] at most 244 bytes of UTF-8
 * @property {bigint} [nonce] 64 bits that no other node has; default random
 * @property {number} [handshakeTimeout] ms from connected to ready, default 10 000
 * @property {number} [pingInterval] ms from ready or pong to the next ping and from a ping to its pong, default 30 000
 * @property {Clock} [clock] default the runtime's
 * @property {SockManOptions} [sockMan]
 */

const PROTOCOL = 1

/** Listens, connects, shakes hands and keeps pinging; tells its owner who came and who went. */
export class HandshakeNode {
  #man
  /** @type {Map<ConnectionId, Connection>} */
  #connections = new Map()
  #handlers
  #magic
  #handshakeTimeout
  #pingInterval
  #clock
  #nonce
  #version

  /**
   * @param {Backend} backend what moves the bytes; nothing here depends on which
   * @param {Handlers} [handlers]
   * @param {Options} [options]
   */
  constructor(backend, handlers = {}, options = {}) {
    this.#handlers = handlers
    this.#magic = options.magic ?? 0x6b636f73
    this.#handshakeTimeout = options.handshakeTimeout ?? 10_000
    this.#pingInterval = options.pingInterval ?? 30_000
    this.#clock = options.clock ?? REAL_CLOCK
    this.#nonce = options.nonce ?? randomNonce()
    const userAgent = options.userAgent ?? '/handshake:1.0/'
    this.#version = encodeVersion({ protocol: PROTOCOL, nonce: this.#nonce, userAgent })
    this.#man = backend.createSockMan(
      {
        onAccepted: (id, _me, them) => this.#begin(this.#add(id, true), them),
        onConnected: (id, _me, them) => this.#begin(this.#get(id), them),
        onConnectFailed: (id, error) => this.#gone(id, error.code),
        onData: (id, data) => this.#receive(this.#get(id), data),
        onReadyToSend: (id) => this.#resume(this.#get(id)),
        onEof: (id) => this.drop(id, this.#get(id).parser.between ? 'CLOSED' : 'TRUNCATED'),
        onError: (id, error) => this.drop(id, error.code),
        onClosed: (id) => this.#gone(id, 'STOPPED'),
      },
      options.sockMan,
    )
  }

  /** The live ones, also those whose handshake is not done. @returns {Peer[]} */
  get peers() {
    return [...this.#connections.values()]
  }

  /**
   * @param {string} address with port 0 the system picks one
   * @returns {SockAddr} the real one
   * @throws as `SockMan.listen`
   */
  listen(address) {
    return this.#man.listen(address).address
  }

  /**
   * Begins a connection: `onReady` or `onGone` tells what came of it.
   *
   * @param {string} address
   * @returns {Peer}
   * @throws as `SockMan.connect`
   */
  connect(address) {
    return this.#add(this.#man.connect(address), false)
  }

  /**
   * Ends a connection; `onGone` follows with the reason.
   *
   * @param {ConnectionId} id
   */
  drop(id, reason = 'DROPPED') {
    const connection = this.#connections.get(id)
    if (!connection || connection.reason) return
    connection.reason = reason
    this.#clock.clearTimeout(connection.timer)
    this.#man.close(id)
  }

  /** Ends everything: `onGone` for each peer, then the promise resolves. */
  stop() {
    return this.#man.stop()
  }

  /** Totals of the SockMan below. @returns {Stats} */
  stats() {
    return this.#man.stats()
  }

  /**
   * @param {ConnectionId} id
   * @param {boolean} inbound
   */
  #add(id, inbound) {
    const connection = new Connection(id, inbound, this.#magic)
    this.#connections.set(id, connection)
    return connection
  }

  /** @param {ConnectionId} id of a live connection: SockMan tells nothing of any other */
  #get(id) {
    return /** @type {Connection} */ (this.#connections.get(id))
  }

  /**
   * @param {Connection} connection
   * @param {SockAddr} address
   */
  #begin(connection, address) {
    connection.address = address
    this.#after(connection, this.#handshakeTimeout, () => this.drop(connection.id, 'HANDSHAKE_TIMEOUT'))
    if (!connection.inbound) this.#send(connection, 'version', this.#version)
  }

  /**
   * @param {Connection} connection
   * @param {Uint8Array} data borrowed: it and the payloads in it are gone when this returns
   */
  #receive(connection, data) {
    try {
      for (const message of connection.parser.push(data)) {
        this.#handle(connection, message)
        // Dropped by that message, or by a handler that it called.
        if (connection.reason) return
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.drop(connection.id, error.code)
    }
  }

  /**
   * @param {Connection} connection
   * @param {Message} message
   */
  #handle(connection, { command, payload }) {
    const { version, ready, pingedAt } = connection
    if (command === 'version' && !version) this.#meet(connection, decodeVersion(payload))
    else if (command === 'verack' && version && !ready) this.#becomeReady(connection)
    else if (command === 'ping' && ready) this.#send(connection, 'pong', encodeNonce(decodeNonce(payload)))
    else if (command === 'pong' && pingedAt !== undefined) this.#pong(connection, payload, pingedAt)
    else throw new ProtocolError('UNEXPECTED', `${JSON.stringify(command)} at the wrong time`)
  }

  /**
   * @param {Connection} connection
   * @param {Version} version
   */
  #meet(connection, version) {
    if (version.nonce === this.#nonce) return this.drop(connection.id, 'SELF')
    connection.version = version
    if (connection.inbound) this.#send(connection, 'version', this.#version)
    this.#send(connection, 'verack')
  }

  /** @param {Connection} connection */
  #becomeReady(connection) {
    connection.ready = true
    this.#handlers.onReady?.(connection)
    if (!connection.reason) this.#ping(connection)
  }

  /** @param {Connection} connection */
  #ping(connection) {
    connection.pingedAt = this.#clock.now()
    this.#after(connection, this.#pingInterval, () =>
      this.drop(connection.id, connection.room ? 'PING_TIMEOUT' : 'STALLED'),
    )
    this.#send(connection, 'ping', encodeNonce(++connection.nonce))
  }

  /**
   * @param {Connection} connection
   * @param {Uint8Array} payload
   * @param {number} pingedAt
   */
  #pong(connection, payload, pingedAt) {
    const nonce = decodeNonce(payload)
    if (nonce !== connection.nonce) throw new ProtocolError('UNEXPECTED', `a pong for ping ${nonce}`)
    const roundTrip = this.#clock.now() - pingedAt
    connection.pingedAt = undefined
    this.#after(connection, this.#pingInterval, () => this.#ping(connection))
    this.#handlers.onPong?.(connection, roundTrip)
  }

  /**
   * The one place that sends. Without room the peer is not read until there is some: who does not take our answers
   * asks no more questions, so that what is queued for it is bounded by `sendHighWater` and the answers to one chunk.
   *
   * @param {Connection} connection
   * @param {string} command
   * @param {Uint8Array} [payload]
   */
  #send(connection, command, payload) {
    const room = this.#man.send(connection.id, encode(this.#magic, command, payload))
    if (room) return
    connection.room = false
    this.#man.pause(connection.id)
  }

  /** @param {Connection} connection */
  #resume(connection) {
    connection.room = true
    this.#man.resume(connection.id)
  }

  /**
   * Sets the connection's timer, in place of the one before.
   *
   * @param {Connection} connection
   * @param {number} delay ms
   * @param {() => void} callback
   */
  #after(connection, delay, callback) {
    this.#clock.clearTimeout(connection.timer)
    connection.timer = this.#clock.setTimeout(callback, delay)
  }

  /**
   * @param {ConnectionId} id
   * @param {string} reason unless it has one
   */
  #gone(id, reason) {
    const connection = this.#get(id)
    this.#connections.delete(id)
    this.#clock.clearTimeout(connection.timer)
    this.#handlers.onGone?.(connection, connection.reason ?? reason)
  }
}

/** @returns {bigint} 64 bits */
function randomNonce() {
  return decodeNonce(crypto.getRandomValues(new Uint8Array(8)))
}
