// A server that stops gracefully: who has asked still gets the answer, and nobody new gets in.
//
//     node examples/programs/shutdown.js [address]      then send it a line, and SIGTERM or Ctrl-C
import { setTimeout } from 'node:timers/promises'
import { createSockMan } from 'sockman'

/** Most bytes of a question, and the ms that stopping may take: for the answers to be found, then to be read. */
const [MAX_LINE, TIMEOUT] = [1_000, 10_000]

/** Finds the answer in a second. @returns {Promise<string>} */
const slowAnswer = (/** @type {string} */ question) => setTimeout(1_000, `${question.toUpperCase()}\n`)

/** Answers one line per connection. @param {string} address where to listen */
export async function gracefulServer(address, answer = slowAnswer, create = createSockMan) {
  /** Each connection's begin of a question whose end has not come. @type {Map<number, Buffer>} */
  const begun = new Map()
  /** What stopping waits for. @type {Set<Promise<unknown>>} */
  const working = new Set()
  let stopping = false

  const man = await create({
    onAccepted: () => !stopping,
    onData(id, data) {
      const bytes = Buffer.concat([begun.get(id) ?? Buffer.alloc(0), data])
      const end = bytes.indexOf('\n')
      if ((end < 0 ? bytes.length : end) > MAX_LINE || stopping) return void man.close(id)
      if (end < 0) return void begun.set(id, bytes)
      // One question: more of this peer is not read.
      man.pause(id)
      const work = answer(bytes.toString('utf8', 0, end))
        .then((text) => man.send(id, text))
        .finally(() => man.close(id, { flush: true, timeout: TIMEOUT }))
        // No answer was found, or the peer went away meanwhile.
        .catch(() => {})
        .finally(() => working.delete(work))
      working.add(work)
    },
    onClosed: (id) => void begun.delete(id),
  })
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
  const { man, listener } = await gracefulServer(process.argv[2] ?? '127.0.0.1:7006')
  console.log(`answers on ${listener.address}, by ${man.selection.row}`)
}
