// An echo over TLS: node:tls runs over any stream, and a connection of a SockMan becomes one in twenty lines.
//
//     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
//       -keyout key.pem -out cert.pem
//     node examples/programs/tls.js [address] [key.pem] [cert.pem]
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import { callbackify } from 'node:util'
import { createSockMan } from 'sockman'

/** @import { AddressInput, ConnectionId, SockMan, SockManEvents, SockManOptions } from '@sockman/core' */

/**
 * A connection as a stream. A client has one too: `tls.connect({ socket: streamOf(man, man.connect(address)) })`.
 *
 * - A write is done when the kernel has it, so a peer that does not read holds back whoever writes. No bytes are done at
 *   once, since there is no `onSent` for nothing.
 * - `push` says false when the reader is behind: then the peer is not read until `read` is called.
 * - What is pushed is a copy: the stream keeps it, and `data` is only lent.
 * - A stream that ends well is closed with a flush, so that the peer loses nothing of it.
 *
 * @param {SockMan} man
 * @param {ConnectionId} id
 * @returns {Duplex}
 */
export function streamOf(man, id) {
  const stream = new Duplex({
    read: () => man.resume(id),
    write: callbackify(async (/** @type {Buffer} */ chunk, /** @type {string} */ _encoding) => {
      if (chunk.length === 0) return
      man.send(id, chunk, { notify: true })
      await once(stream, 'sent')
    }),
    final: callbackify(async () => man.shutdown(id)),
  })
  man.setEvents(id, {
    onData: (_id, data) => void (stream.push(Buffer.from(data)) || man.pause(id)),
    onSent: () => void stream.emit('sent'),
    onEof: () => void stream.push(null),
    onError: (_id, error) => void stream.destroy(error),
    onConnectFailed: (_id, error) => void stream.destroy(error),
    onClosed: () => void stream.destroy(),
  })
  return stream.once('close', () => man.close(id, { flush: !stream.errored }))
}

/**
 * @param {(events: SockManEvents, options?: SockManOptions) => SockMan | Promise<SockMan>} create makes the SockMan
 * @param {AddressInput} address where to listen
 * @param {{ key: string | Buffer, cert: string | Buffer }} credentials PEM
 */
export async function tlsEcho(create, address, credentials) {
  const secureContext = createSecureContext(credentials)
  const man = await create(
    {
      onAccepted(id) {
        const socket = new TLSSocket(streamOf(man, id), { isServer: true, secureContext })
        // A peer that speaks no TLS, or a reset. Without a handler it would end the program.
        socket.on('error', () => socket.destroy())
        socket.pipe(socket)
      },
    },
    { maxConnections: 500 },
  )
  return { man, listener: man.listen(address) }
}

if (import.meta.filename === process.argv[1]) {
  const [address = '127.0.0.1:7005', key = 'key.pem', cert = 'cert.pem'] = process.argv.slice(2)
  const credentials = { key: readFileSync(key), cert: readFileSync(cert) }
  const { man, listener } = await tlsEcho(createSockMan, address, credentials)
  console.log(`echoes over TLS on ${listener.address}, by ${man.selection.row}`)
}
