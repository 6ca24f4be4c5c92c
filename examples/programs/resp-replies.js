// Reads replies of RESP2, for resp.js. Nothing here knows of sockets: what comes in are bytes.

/** The most that a server can make the reader hold: bytes of a reply, bytes of a line, arrays within arrays. */
const [MAX_REPLY, MAX_LINE, MAX_DEPTH] = [64 * 2 ** 20, 64 * 2 ** 10, 32]

/**
 * Gives each reply to `deliver`. Chunks end anywhere, so each `yield` waits for the next one, given by `next(chunk)`.
 * That throws where the bytes are no RESP2.
 *
 * @returns {Generator<void, void, Buffer>}
 */
export function* readReplies(/** @type {(reply: any) => void} */ deliver) {
  /** What has come and is not read yet. @type {Buffer} */
  let bytes = Buffer.alloc(0)
  let left = MAX_REPLY

  /** @returns {Generator<void, Buffer, Buffer>} */
  function* take(/** @type {number} */ length) {
    left -= length
    if (left < 0) throw new Error(`a reply has more than ${MAX_REPLY} bytes`)
    const taken = Buffer.alloc(length)
    for (let filled = 0; filled < length; ) {
      if (bytes.length === 0) bytes = yield
      const count = bytes.copy(taken, filled)
      bytes = bytes.subarray(count)
      filled += count
    }
    return taken
  }

  /** @returns {Generator<void, any, Buffer>} */
  function* read(depth = 0) {
    while (!bytes.includes('\r\n')) {
      if (bytes.length > MAX_LINE) throw new Error(`a line has more than ${MAX_LINE} bytes`)
      bytes = Buffer.concat([bytes, yield])
    }
    const line = String(yield* take(bytes.indexOf('\r\n') + 2)).slice(0, -2)
    const [type, text, number] = [line[0], line.slice(1), Number(line.slice(1))]
    if (type === '+') return text
    if (type === '-') return new Error(text)
    // An integer, or the length of a value or of an array, where -1 is null.
    if (!/^(:-?\d{1,19}|[$*](-1|\d{1,10}))$/.test(line)) throw new Error(`not RESP2: ${line}`)
    if (type === ':') return Number.isSafeInteger(number) ? number : BigInt(text)
    if (number === -1) return null
    if (type === '$') return (yield* take(number + 2)).subarray(0, number)
    if (depth === MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} arrays within arrays`)
    const items = []
    while (items.length < number) items.push(yield* read(depth + 1))
    return items
  }

  for (; ; left = MAX_REPLY) deliver(yield* read())
}
