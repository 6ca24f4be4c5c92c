// Messages on the wire. 24 bytes stand before each payload, integers are little-endian:
//
//     magic 4 | command 12, ASCII, padded with zeros | length 4 | CRC-32 of the payload 4
//
// The framing is that of Bitcoin's version 1 transport (`CMessageHeader`, protocol.h), with a CRC where Bitcoin has a
// double SHA-256.
import { crc32 } from './crc32.js'
import { ProtocolError } from './protocol-error.js'

export const HEADER_SIZE = 24
/** Most bytes of a payload, and so the most that a peer can make us hold of an unfinished message. */
export const MAX_PAYLOAD = 256

const NOTHING = new Uint8Array(0)

/** @typedef {{ command: string, payload: Uint8Array }} Message */

/**
 * A whole message, ready to send.
 *
 * @param {number} magic of the network, 0 to 2³² − 1
 * @param {string} command 1 to 12 ASCII characters
 * @param {Uint8Array} [payload] at most {@link MAX_PAYLOAD} bytes
 */
export function encode(magic, command, payload = NOTHING) {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length)
  const header = new DataView(bytes.buffer)
  header.setUint32(0, magic, true)
  for (let i = 0; i < command.length; i++) header.setUint8(4 + i, command.charCodeAt(i))
  header.setUint32(16, payload.length, true)
  header.setUint32(20, crc32(payload), true)
  bytes.set(payload, HEADER_SIZE)
  return bytes
}

/** Cuts the bytes of one connection into messages, however they were chunked on their way. */
export class FrameParser {
  #magic
  /** Copy of a message's begin whose end has not come yet. */
  #begun = NOTHING

  /** @param {number} magic of the network, 0 to 2³² − 1 */
  constructor(magic) {
    this.#magic = magic
  }

  /** Whether the stream stands between two messages: an end of stream elsewhere cuts one short. */
  get between() {
    return this.#begun.length === 0
  }

  /**
   * Takes the next bytes and gives the messages that they complete. A message that lies in `data` whole is a view of
   * it, so that payloads are as short-lived as `data`; only what is cut by the end of a chunk is copied. Who stops in
   * the middle gives the stream up.
   *
   * @param {Uint8Array} data
   * @returns {Generator<Message, void, void>}
   * @throws {ProtocolError} `WRONG_MAGIC`, `OVERSIZED`, `BAD_CHECKSUM`: the stream is of no use afterwards
   */
  *push(data) {
    let rest = data
    while (this.#begun.length > 0 && rest.length > 0) {
      // The header first: it says how much more there is.
      const missing = this.#size(this.#begun) - this.#begun.length
      const begun = concat(this.#begun, rest.subarray(0, missing))
      rest = rest.subarray(missing)
      const whole = begun.length === this.#size(begun)
      this.#begun = whole ? NOTHING : begun
      if (whole) yield decode(begun)
    }
    while (rest.length > 0) {
      const size = this.#size(rest)
      if (size > rest.length) {
        this.#begun = new Uint8Array(rest)
        return
      }
      yield decode(rest.subarray(0, size))
      rest = rest.subarray(size)
    }
  }

  /**
   * Bytes of the message that begins `bytes`, those of its header while that is not complete. Refuses what it can as
   * soon as it can.
   *
   * @param {Uint8Array} bytes
   */
  #size(bytes) {
    if (bytes.length >= 4 && uint32(bytes, 0) !== this.#magic) {
      throw new ProtocolError('WRONG_MAGIC', `magic ${hex(uint32(bytes, 0))}, not ${hex(this.#magic)}`)
    }
    if (bytes.length < HEADER_SIZE) return HEADER_SIZE
    const length = uint32(bytes, 16)
    if (length > MAX_PAYLOAD) {
      throw new ProtocolError('OVERSIZED', `a payload of ${length} bytes, at most ${MAX_PAYLOAD} are allowed`)
    }
    return HEADER_SIZE + length
  }
}

/**
 * @param {Uint8Array} bytes exactly one message
 * @returns {Message} whose payload is a view of `bytes`
 */
function decode(bytes) {
  const payload = bytes.subarray(HEADER_SIZE)
  const [said, found] = [uint32(bytes, 20), crc32(payload)]
  if (said !== found) throw new ProtocolError('BAD_CHECKSUM', `checksum ${hex(found)}, not ${hex(said)}`)
  const name = bytes.subarray(4, 16)
  const end = name.indexOf(0)
  return { command: String.fromCharCode(...name.subarray(0, end < 0 ? name.length : end)), payload }
}

/**
 * Reads a little-endian integer.
 *
 * @param {Uint8Array} bytes
 * @param {number} at where 4 of them are
 */
function uint32(bytes, at) {
  let value = 0
  for (let i = 3; i >= 0; i--) value = value * 256 + /** @type {number} */ (bytes[at + i])
  return value
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function concat(a, b) {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

/** @param {number} value */
function hex(value) {
  return value.toString(16).padStart(8, '0')
}
