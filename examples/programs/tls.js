// An echo over TLS: node:tls runs over any stream, and a connection of a SockMan becomes one in twenty lines.
//
//     openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
//     node examples/programs/tls.js [address] [key.pem] [cert.pem]
//     openssl s_client -connect 127.0.0.1:7005
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import { callbackify } from 'node:util'
import { createSockMan } from 'sockman'

/** @import { ConnectionId, SockMan } from 'sockman' */

/**
 * A connection as a stream. For a client: `tls.connect({ socket: streamOf(man, man.connect(address)) })`.
 *
 * A write is done when the kernel has its bytes, so a peer that does not read holds back who writes; no `onSent` comes for
 * no bytes. `push` says false when the reader is behind, until `read` is called; it gets a copy, since `data` is only lent.
 */
export function streamOf(/** @type {SockMan} */ man, /** @type {ConnectionId} */ id) {
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

/** @param {string} address where to listen   @param {{ key: Buffer, cert: Buffer }} credentials in PEM */
export async function tlsEcho(address, credentials, create = createSockMan) {
  const secureContext = createSecureContext(credentials)
  const onAccepted = (/** @type {ConnectionId} */ id) => {
    const socket = new TLSSocket(streamOf(man, id), { isServer: true, secureContext })
    // A peer that speaks no TLS, or a reset. Without a handler it would end the program.
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  }
  const man = await create({ onAccepted }, { maxConnections: 500 })
  return { man, listener: man.listen(address) }
}

if (import.meta.filename === process.argv[1]) {
  const [address = '127.0.0.1:7005', key = 'key.pem', cert = 'cert.pem'] = process.argv.slice(2)
  const { man, listener } = await tlsEcho(address, { key: readFileSync(key), cert: readFileSync(cert) })
  console.log(`echoes over TLS on ${listener.address}, by ${man.selection.row}`)
}
