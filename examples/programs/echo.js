// An echo server: every byte that comes in goes back out.
//
//     node examples/programs/echo.js [address]
import { createSockMan } from 'sockman'

/** @param {string} address where to listen */
export async function echo(address, create = createSockMan) {
  const man = await create(
    {
      onData(id, data) {
        // False: more than `sendHighWater` bytes wait for this peer. Who does not read its answers is not read either.
        if (!man.send(id, data)) man.pause(id)
      },
      onReadyToSend: (id) => man.resume(id),
      // The peer may still read after it has ended its side: without `flush` it would lose what is queued.
      onEof: (id) => void man.close(id, { flush: true }),
      // A connection that breaks is closed by SockMan, since there is no `onError` here.
    },
    // A peer has at most 1 MiB and one chunk queued. So many peers stay below `sendTotalMax`, beyond which `send` throws.
    { maxConnections: 500 },
  )
  return { man, listener: man.listen(address) }
}

// Only where this file is the program, and not where a test imports it.
if (import.meta.filename === process.argv[1]) {
  const { man, listener } = await echo(process.argv[2] ?? '127.0.0.1:7000')
  console.log(`echoes on ${listener.address}, by ${man.selection.row}`)
}
