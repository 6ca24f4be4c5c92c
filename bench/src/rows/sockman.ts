import {
  type Backend,
  type ConnectionId,
  type SockAddr,
  SockError,
  type SockManEvents,
  type SockManOptions,
} from '@sockman/core'
import { SendQueueFull, type Transport } from './transport'

/**
 * A SockMan as a row.
 *
 * @throws SockError what `createSockMan` throws
 */
export function sockManTransport(backend: Backend, options: SockManOptions): Transport<ConnectionId> {
  const man = backend.createSockMan({}, options)
  return {
    row: man.selection.row,
    connect(address, { onOpen, onData, onClose }) {
      const closeAs = (reason: string) => (id: ConnectionId) => {
        man.close(id)
        onClose(reason)
      }
      const events: SockManEvents = {
        onConnected: onOpen,
        onConnectFailed: (_id, error) => onClose(error.message),
        onData: (_id, chunk) => onData(chunk),
        onEof: closeAs('the peer closed the connection'),
        onError: (id, error) => closeAs(error.message)(id),
      }
      return man.connect(address, { events })
    },
    async listen(address: SockAddr, onData) {
      return man.listen(address, { events: { onData } }).address
    },
    send(id, data) {
      try {
        man.send(id, data)
      } catch (error) {
        throw error instanceof SockError && error.code === 'ERR_SEND_QUEUE_FULL' ? new SendQueueFull() : error
      }
    },
    close(id) {
      man.close(id)
    },
    counters() {
      const { events, wakeups } = man.stats()
      return { events, wakeups }
    },
    stop: () => man.stop(),
  }
}
