// A TCP proxy: each connection that comes in gets one of its own to the target, and the two are joined.
//
//     node examples/programs/proxy.js [address] [target]
import { createSockMan } from 'sockman'

/** @import { ConnectionId, SockManEvents } from 'sockman' */

/** A peer that is gone without a word is noticed after some 70 seconds, and its pair is ended. */
const LIVENESS = { keepAlive: 60_000 }
/** How long a peer may take to read what is still queued for it when both sides have ended. */
const LINGER = { flush: true, timeout: 60_000 }

/**
 * @param {string} address where to listen
 * @param {string} target where to connect for each connection that comes in
 */
export async function proxy(address, target, create = createSockMan) {
  /**
   * What one connection tells is done to the other. Both have the same `pair`: how many of its streams have ended.
   *
   * @type {(other: ConnectionId, pair: { ended: number }) => SockManEvents}
   */
  const joinedTo = (other, pair) => ({
    onData(id, data) {
      // No room: the source waits until the other side has taken what is queued.
      if (!man.send(other, data)) man.pause(id)
    },
    onReadyToSend: () => man.resume(other),
    onEof(id) {
      pair.ended++
      // One end of stream is passed on, and the other direction stays open: a client may end its request and then read.
      if (pair.ended === 1) man.shutdown(other)
      else for (const one of [id, other]) man.close(one, LINGER)
    },
    onError(id) {
      man.close(id)
      // A reset is passed on as a reset: an orderly end would make half an answer look like a whole one.
      man.close(other, { reset: true })
    },
    onConnectFailed: () => void man.close(other, { reset: true }),
  })
  const man = await create(
    {
      onAccepted(inbound) {
        const pair = { ended: 0 }
        try {
          // What comes before the target answers is queued: `send` needs no `onConnected`.
          const outbound = man.connect(target, { ...LIVENESS, events: joinedTo(inbound, pair) })
          man.setEvents(inbound, joinedTo(outbound, pair))
        } catch {
          // Such as EMFILE, when the process has no descriptor left: this peer is refused, and the proxy goes on.
          return false
        }
      },
    },
    // 500 pairs, each with at most 64 KiB and one chunk queued per direction: far below `sendTotalMax`.
    { maxConnections: 1_000, sendHighWater: 64 * 1024 },
  )
  return { man, listener: man.listen(address, LIVENESS) }
}

if (import.meta.filename === process.argv[1]) {
  const [address = '127.0.0.1:7001', target = '127.0.0.1:7000'] = process.argv.slice(2)
  const { man, listener } = await proxy(address, target)
  console.log(`passes ${listener.address} on to ${target}, by ${man.selection.row}`)
}
