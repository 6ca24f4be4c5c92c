import { once } from 'node:events'
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Socket,
  type TcpNetConnectOpts,
} from 'node:net'
import { SockAddr } from '@sockman/core'
import { SEND_QUEUE_MAX, SendQueueFull, type Transport } from './transport'

/**
 * `node:net` as a row: the baseline, used as its documentation says.
 *
 * @param onread size of the reusable buffer of the `onread` option, bytes; undefined: `'data'` events
 */
export function netTransport(row: string, onread: number | undefined): Transport<Socket> {
  const sockets = new Set<Socket>()
  const servers: ReturnType<typeof createServer>[] = []
  const own = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    return socket
  }
  return {
    row,
    connect(address, { onOpen, onData, onClose }) {
      const options: TcpNetConnectOpts = { ...target(address), noDelay: true }
      if (onread !== undefined) {
        const callback = (bytes: number, buffer: Uint8Array) => {
          onData(bytes === buffer.length ? buffer : buffer.subarray(0, bytes))
          return true
        }
        options.onread = { buffer: Buffer.allocUnsafeSlow(onread), callback }
      }
      const socket = own(connect(options as NetConnectOpts))
      let reason = 'the peer closed the connection'
      socket.once('connect', onOpen)
      if (onread === undefined) socket.on('data', onData)
      socket.once('error', (error) => {
        reason = error.message
      })
      socket.once('close', () => {
        if (!closing.has(socket)) onClose(reason)
      })
      return socket
    },
    async listen(address, onData) {
      const server = createServer({ noDelay: true }, (socket) => {
        own(socket).on('data', (chunk) => onData(socket, chunk))
        socket.once('error', () => socket.destroy()) // a client that went away: nothing to serve any more
      })
      servers.push(server)
      server.listen(target(address))
      await once(server, 'listening')
      const { address: host, port } = server.address() as AddressInfo
      return SockAddr.ip(host, port)
    },
    send(socket, data) {
      // A socket of node:net queues as much as it is given.
      if (socket.writableLength + data.length > SEND_QUEUE_MAX) throw new SendQueueFull()
      socket.write(data)
    },
    close(socket) {
      closing.add(socket)
      socket.destroy()
    },
    counters: () => undefined,
    async stop() {
      const ends = [...sockets, ...servers].map((each) => once(each, 'close'))
      for (const server of servers) server.close()
      for (const socket of sockets) this.close(socket)
      await Promise.all(ends)
    },
  }
}

/** Sockets that we close: their `'close'` is no news. */
const closing = new WeakSet<Socket>()

function target({ host, zone, port }: SockAddr): { host: string; port: number } {
  return { host: zone ? `${host}%${zone}` : host, port }
}
