// A server that stops gracefully: who has asked still gets the answer, and nobody new gets in.
//
//     node examples/programs/shutdown.js [address]      then send it a line, and SIGTERM or Ctrl-C
import { setTimeout } from 'node:timers/promises'
import { createSockMan } from 'sockman'

/** @import { AddressInput, ConnectionId, SockMan, SockManEvents, SockManOptions } from '@sockman/core' */

/** Most bytes of a question, and the ms that stopping may take: for the answers to be found, then to be read. */
const [MAX_LINE, TIMEOUT] = [1_000, 10_000]

/** @param {string} question */
async function slowAnswer(question) {
  await setTimeout(1_000)
  return `${question.toUpperCase()}\n`
}

/**
 * Answers one line per connection.
 *
 * @param {(events: SockManEvents, options?: SockManOptions) => SockMan | Promise<SockMan>} create makes the SockMan
 * @param {AddressInput} address where to listen
 * @param {(question: string) => Promise<string | Buffer>} [answer] takes its time
 */
export async function gracefulServer(create, address, answer = slowAnswer) {
  /** The begin of a question whose end has not come. @type {Map<ConnectionId, Buffer>} */
  const begun = new Map()
  /** What stopping waits for. @type {Set<Promise<void>>} */
  const working = new Set()
  let stopping = false

  /** @type {(id: ConnectionId, question: string) => Promise<void>} */
  const reply = async (id, question) => {
    try {
      man.send(id, await answer(question))
      man.close(id, { flush: true, timeout: TIMEOUT })
    } catch {
      // No answer was found, or the peer went away meanwhile.
      man.close(id)
    }
  }

  const man = await create(
    {
      onAccepted: () => !stopping,
      onData(id, data) {
        const bytes = Buffer.concat([begun.get(id) ?? Buffer.alloc(0), data])
        const end = bytes.indexOf('\n')
        if (end > MAX_LINE || (end < 0 && bytes.length > MAX_LINE) || stopping) return void man.close(id)
        if (end < 0) return void begun.set(id, bytes)
        // One question: more of this peer is not read.
        man.pause(id)
        const work = reply(id, bytes.toString('utf8', 0, end)).finally(() => working.delete(work))
        working.add(work)
      },
      onClosed: (id) => void begun.delete(id),
    },
    { maxConnections: 1_000 },
  )
  const listener = man.listen(address)

  const stop = async () => {
    // Who gives the signal again does not want to wait.
    if (stopping) process.exit(1)
    stopping = true
    listener.close()
    console.log(`stopping, ${working.size} at work`)
    // The timer does not keep the process alive when the answers are there before it is over.
    await Promise.race([Promise.allSettled(working), setTimeout(TIMEOUT, undefined, { ref: false })])
    await man.stop({ flush: true, timeout: TIMEOUT })
    console.log('stopped')
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop)
  return { man, listener }
}

if (import.meta.filename === process.argv[1]) {
  const { man, listener } = await gracefulServer(createSockMan, process.argv[2] ?? '127.0.0.1:7006')
  console.log(`answers on ${listener.address}, by ${man.selection.row}`)
}
