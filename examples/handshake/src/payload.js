// Payloads, integers little-endian:
//
//     version     protocol 4 | nonce 8 | user agent, UTF-8, the rest
//     ping, pong  nonce 8
//     verack      –
import { MAX_PAYLOAD } from './frame.js'
import { ProtocolError } from './protocol-error.js'

/**
 * How a node introduces itself.
 *
 * @typedef {object} Version
 * @property {number} protocol 0 to 2³² − 1
 * @property {bigint} nonce of the node, 64 random bits: who meets its own is connected to itself
 * @property {string} userAgent at most 244 bytes of UTF-8
 */

const AGENT = 12

/**
 * @param {Version} version
 * @throws {RangeError} for a user agent that is too long
 */
export function encodeVersion({ protocol, nonce, userAgent }) {
  const agent = new TextEncoder().encode(userAgent)
  if (agent.length > MAX_PAYLOAD - AGENT) {
    throw new RangeError(`a user agent of ${agent.length} bytes, at most ${MAX_PAYLOAD - AGENT} are allowed`)
  }
  const payload = new Uint8Array(AGENT + agent.length)
  const fields = new DataView(payload.buffer)
  fields.setUint32(0, protocol, true)
  fields.setBigUint64(4, nonce, true)
  payload.set(agent, AGENT)
  return payload
}

/**
 * @param {Uint8Array} payload nothing of it is kept
 * @returns {Version}
 * @throws {ProtocolError} `MALFORMED`
 */
export function decodeVersion(payload) {
  if (payload.length < AGENT) {
    throw new ProtocolError('MALFORMED', `a version of ${payload.length} bytes, at least ${AGENT} are needed`)
  }
  const fields = new DataView(payload.buffer, payload.byteOffset, payload.length)
  return {
    protocol: fields.getUint32(0, true),
    nonce: fields.getBigUint64(4, true),
    userAgent: new TextDecoder().decode(payload.subarray(AGENT)),
  }
}

/** @param {bigint} nonce 64 bits */
export function encodeNonce(nonce) {
  const payload = new Uint8Array(8)
  new DataView(payload.buffer).setBigUint64(0, nonce, true)
  return payload
}

/**
 * @param {Uint8Array} payload
 * @throws {ProtocolError} `MALFORMED`
 */
export function decodeNonce(payload) {
  if (payload.length !== 8) throw new ProtocolError('MALFORMED', `a nonce of ${payload.length} bytes, not 8`)
  return new DataView(payload.buffer, payload.byteOffset).getBigUint64(0, true)
}
