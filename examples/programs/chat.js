// A line chat: what one member says, all others read.
//
//     node examples/programs/chat.js [address]
import { createSockMan } from 'sockman'

/** @import { CloseOptions, ConnectionId } from 'sockman' */

/** Most bytes of a line. Who sends more without an end of line is dropped. */
const MAX_LINE = 1_000
const NEWLINE = 10

/** @param {string} address where to listen */
export async function chat(address, create = createSockMan) {
  /** A line's begin is kept until its end comes. @type {Map<ConnectionId, { name: string, begun: Buffer }>} */
  const members = new Map()
  let count = 0

  /** @type {(id: ConnectionId, options?: CloseOptions) => void} */
  const drop = (id, options) => {
    // First, so that nobody sends to it any more: `send` throws for a connection that was closed.
    members.delete(id)
    man.close(id, options)
  }

  /** @type {(text: string, from?: ConnectionId) => void} */
  const tell = (text, from) => {
    for (const id of members.keys()) {
      try {
        if (id !== from) man.send(id, `${text}\n`)
      } catch {
        // ERR_SEND_QUEUE_FULL: this member does not read. Waiting for it would stop all others.
        drop(id, { reset: true })
      }
    }
  }

  const man = await create(
    {
      onAccepted(id) {
        members.set(id, { name: `#${++count}`, begun: Buffer.alloc(0) })
        tell(`* #${count} is here`)
      },
      onData(id, data) {
        const member = members.get(id)
        if (!member) return
        let rest = Buffer.concat([member.begun, data])
        for (let end = rest.indexOf(NEWLINE); end >= 0 && end <= MAX_LINE; end = rest.indexOf(NEWLINE)) {
          // Control characters could do things to the terminals of the others.
          const line = rest.toString('utf8', 0, end).replace(/\p{Cc}/gu, '')
          if (line !== '') tell(`${member.name}: ${line}`, id)
          rest = rest.subarray(end + 1)
        }
        // `data` is only lent, and `rest` may be a small part of much memory: what is kept is copied.
        member.begun = Buffer.from(rest)
        if (rest.length > MAX_LINE) drop(id)
      },
      onEof: (id) => drop(id, { flush: true }),
      onError: (id) => drop(id),
      onClosed: () => tell(`* now there are ${members.size}`),
    },
    // Who is behind by 256 KiB is dropped. Small receives: one of them can never make that much for a member who reads.
    { sendQueueMax: 256 * 1024, receiveBlock: 4096, maxConnections: 1_000 },
  )
  return { man, listener: man.listen(address) }
}

if (import.meta.filename === process.argv[1]) {
  const { man, listener } = await chat(process.argv[2] ?? '127.0.0.1:7002')
  console.log(`members meet at ${listener.address}, by ${man.selection.row}`)
}
