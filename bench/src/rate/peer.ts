// The child process of one measurement of `rate`: connects over node:net, then moves bytes without a limit until its
// parent goes.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ownUsage } from '../server/companion'
import type { PeerMessage, PeerQuestion, Traffic } from './peer-process'

/** Sent again and again, and what comes is read into it: nobody looks at the bytes. */
const BUFFER = Buffer.alloc(256 * 1024)

const tell = (message: PeerMessage) => process.send!(message)

process.once('disconnect', () => process.exit())

process.on('message', async (question: PeerQuestion) => {
  if (question.type === 'usage') {
    tell({ type: 'usage', ...ownUsage() })
    return
  }
  const { host, port, connections, traffic } = question
  try {
    const sockets = Array.from({ length: connections }, () =>
      connect({ host, port, noDelay: true, onread: { buffer: BUFFER, callback: () => true } }),
    )
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    for (const socket of sockets) {
      socket.on('error', () => socket.destroy()) // the parent sees that it is gone
      begin(socket, traffic)
    }
    tell({ type: 'connected' })
  } catch (error) {
    tell({ type: 'error', message: (error as Error).message })
  }
})

function begin(socket: Socket, traffic: Traffic): void {
  if (traffic === 'flood') flood(socket)
  if (traffic === 'silence') socket.write(BUFFER.subarray(0, 1))
}

/** By `setImmediate`, so that a connection which takes all there is leaves the others their turns. */
function flood(socket: Socket): void {
  socket.write(BUFFER, (error) => {
    if (!error) setImmediate(flood, socket)
  })
}
