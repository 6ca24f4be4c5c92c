// A client of RESP2, the protocol that Redis speaks. Replies are read in resp-replies.js.
//
//     node examples/programs/resp.js [address] [command] [words]         such as: 127.0.0.1:6379 GET key
import { createSockMan } from 'sockman'
import { readReplies } from './resp-replies.js'

/** Most commands that wait for their replies. The bytes of commands have a bound of SockMan's, `sendQueueMax`. */
const MAX_DUE = 10_000

/** @param {string} address where the server listens */
export async function resp(address, create = createSockMan) {
  /** Who waits for a reply, in the order of the commands. @type {((reply: any) => void)[]} */
  const due = []
  /** Why the connection is lost. @type {unknown} */
  let lost
  const replies = readReplies((reply) => due.shift()?.(reply))
  // Runs up to where the first chunk is waited for.
  replies.next()

  const lose = (/** @type {unknown} */ error) => {
    lost ??= error
    man.close(id)
    for (const settle of due.splice(0)) settle(lost)
  }
  const man = await create({
    onData(_id, data) {
      try {
        // A copy: the reader keeps what has no end yet, and `data` is only lent.
        replies.next(Buffer.from(data))
      } catch (error) {
        lose(error)
      }
    },
    onEof: () => lose(new Error('the server has ended the connection')),
    onError: (_id, error) => lose(error),
    onConnectFailed: (_id, error) => lose(error),
    onClosed: () => lose(new Error('the connection was closed')),
  })
  const id = man.connect(address)

  /** A command need not wait for the replies to those before it. */
  const command = async (/** @type {(string | Buffer)[]} */ ...words) => {
    if (lost || due.length === MAX_DUE) throw lost ?? new Error(`${MAX_DUE} replies are due`)
    const parts = words.flatMap((word) => [`$${Buffer.byteLength(word)}\r\n`, word, '\r\n'])
    man.send(id, Buffer.concat([`*${words.length}\r\n`, ...parts].map((part) => Buffer.from(part))))
    const reply = await new Promise((resolve) => due.push(resolve))
    if (reply instanceof Error) throw reply
    return reply
  }
  return { man, command }
}

if (import.meta.filename === process.argv[1]) {
  const [address = '127.0.0.1:6379', name = 'PING', ...words] = process.argv.slice(2)
  const { man, command } = await resp(address)
  // A value is a Buffer, so it becomes text here.
  console.log(String(await command(name, ...words).finally(() => man.stop())))
}
