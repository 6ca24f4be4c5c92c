// A client of the protocol that Redis speaks, RESP2: node examples/programs/resp.js 127.0.0.1:6379 GET key
import { createSockMan } from 'sockman'

/** @import { AddressInput, SockMan, SockManEvents, SockManOptions } from '@sockman/core' */
/** @typedef {string | number | bigint | Buffer | null | Error | unknown[]} Reply */

/** Bounds of what we hold: bytes of a reply, bytes of a line, arrays within arrays, replies that are due. */
const [MAX_REPLY, MAX_LINE, MAX_DEPTH, MAX_DUE] = [64 * 2 ** 20, 64 * 2 ** 10, 32, 10_000]

/** Reads replies from chunks that end anywhere: a `yield` waits for the next one. @returns {Generator<void, void, Buffer>} */
function* parser(/** @type {(reply: Reply) => void} */ deliver) {
  let [bytes, left] = [/** @type {Buffer} */ (Buffer.alloc(0)), 0]
  /** @returns {Generator<void, Buffer, Buffer>} */
  function* take(/** @type {number} */ length) {
    left -= length
    if (left < 0) throw new Error(`a reply has more than ${MAX_REPLY} bytes`)
    const parts = [bytes]
    for (let size = bytes.length; size < length; ) size += parts[parts.push(yield) - 1]?.length ?? 0
    if (parts.length > 1) bytes = Buffer.concat(parts)
    const taken = bytes.subarray(0, length)
    bytes = bytes.subarray(length)
    return taken
  }
  /** @returns {Generator<void, Reply, Buffer>} */
  function* read(/** @type {number} */ depth) {
    while (!bytes.includes('\r\n')) {
      if (bytes.length > MAX_LINE) throw new Error(`a line has more than ${MAX_LINE} bytes`)
      bytes = Buffer.concat([bytes, yield])
    }
    const line = (yield* take(bytes.indexOf('\r\n') + 2)).toString('utf8').slice(0, -2)
    const [type, text, number] = [line[0], line.slice(1), Number(line.slice(1))]
    if (type === '+') return text
    if (type === '-') return new Error(text)
    const isLength = (type === '$' || type === '*') && number >= -1 && depth <= MAX_DEPTH
    if (!/^-?\d{1,19}$/.test(text) || !(isLength || type === ':')) throw new Error(`not RESP2: ${line}`)
    if (type === ':') return Number.isSafeInteger(number) ? number : BigInt(text)
    if (number === -1) return null
    // A copy, so that a short value does not keep the memory of its whole chunk.
    if (type === '$') return Buffer.from((yield* take(number + 2)).subarray(0, number))
    const items = []
    while (items.length < number) items.push(yield* read(depth + 1))
    return items
  }
  for (; ; deliver(yield* read(0))) left = MAX_REPLY
}

/**
 * @param {(events: SockManEvents, options?: SockManOptions) => SockMan | Promise<SockMan>} create makes the SockMan
 * @param {AddressInput} address where the server listens
 */
export async function resp(create, address) {
  /** Who waits for a reply, in the order of the commands. @type {{ resolve(reply: Reply): void, reject(error: Error): void }[]} */
  const due = []
  /** @type {Error | undefined} */
  let lost
  const replies = parser((reply) =>
    due.shift()?.[reply instanceof Error ? 'reject' : 'resolve'](/** @type {any} */ (reply)),
  )
  replies.next()
  /** @type {(error: Error) => void} */
  const lose = (error) => {
    lost ??= error
    man.close(id)
    for (const { reject } of due.splice(0)) reject(error)
  }
  const man = await create({
    onData(_id, data) {
      try {
        // A copy: the parser keeps what has no end yet, and `data` is only lent.
        replies.next(Buffer.from(data))
      } catch (error) {
        lose(/** @type {Error} */ (error))
      }
    },
    onEof: () => lose(new Error('the server has ended the connection')),
    onError: (_id, error) => lose(error),
    onConnectFailed: (_id, error) => lose(error),
    onClosed: () => lose(new Error('the connection was closed')),
  })
  const id = man.connect(address)
  /** Commands need not wait for each other. Who lets too many be due is refused. @type {(...words: (string | Buffer)[]) => Promise<Reply>} */
  const command = (...words) =>
    new Promise((resolve, reject) => {
      if (lost || due.length >= MAX_DUE) throw lost ?? new Error(`${MAX_DUE} replies are due`)
      const parts = words.flatMap((word) => [`$${Buffer.byteLength(word)}\r\n`, word, '\r\n'])
      man.send(id, Buffer.concat([`*${words.length}\r\n`, ...parts].map((part) => Buffer.from(part))))
      due.push({ resolve, reject })
    })
  return { man, command }
}

if (import.meta.filename === process.argv[1]) {
  const [address = '127.0.0.1:6379', ...words] = process.argv.slice(2)
  const { man, command } = await resp(createSockMan, address)
  console.log(await command(...words).finally(() => man.stop()))
}
