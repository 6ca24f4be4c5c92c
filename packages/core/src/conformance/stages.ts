import type { SockManOptions } from '../options'
import type { SockMan, SockManEvents } from '../sock-man'

/** Brings SockMans to a stage of their life and calls `reached` there, inside a callback where the stage has one (C11). */
export function reach(
  create: (events: SockManEvents, options?: SockManOptions) => SockMan,
  stage: string,
  reached: () => void,
): void {
  const block = new Uint8Array(1 << 20)
  const start = (events: SockManEvents): void => {
    man = create(events)
    man.connect(man.listen('127.0.0.1:0').address)
  }
  let man: SockMan
  switch (stage) {
    case 'created':
      man = create({})
      reached()
      break
    case 'listening':
      man = create({})
      man.listen('127.0.0.1:0')
      reached()
      break
    case 'connecting':
      start({})
      reached()
      break
    case 'failing': {
      // Nobody listens on port 1: the connects fail together, and what is asked about them comes too late.
      man = create({
        onConnectFailed: (failed) => {
          for (const id of ids) {
            if (id === failed) continue
            man.send(id, block)
            man.close(id)
          }
          reached()
        },
      })
      const ids = Array.from({ length: 16 }, () => man.connect('127.0.0.1:1'))
      break
    }
    case 'sending':
      // The other end never reads.
      start({
        onAccepted: (id) => man.pause(id),
        onConnected: (id) => {
          while (man.send(id, block));
          reached()
        },
      })
      break
    case 'receiving': {
      let received = 0
      start({
        onConnected: (id) => void man.send(id, block),
        onReadyToSend: (id) => void man.send(id, block),
        onData: (id, data) => {
          man.send(id, data)
          received += data.length
          if (received > block.length) reached()
        },
      })
      break
    }
    case 'behind': {
      const connections = 32
      let open = 0
      const opened = (): void => {
        if (++open < 2 * connections) return
        for (const id of ids) man.send(id, block)
        // An engine on a thread goes on while this callback computes, until its events do not fit (C85).
        while (man.selection.drive === 'thread' && man.stats().overflows === 0);
        reached()
        // What waits for its end from outside is ended here, and not in a turn with room again.
        for (;;);
      }
      man = create({ onAccepted: opened, onConnected: opened }, { receiveBlock: 4096 })
      const { address } = man.listen('127.0.0.1:0')
      const ids = Array.from({ length: connections }, () => man.connect(address))
      break
    }
    case 'stopping':
      start({
        onConnected: (id) => {
          man.send(id, block)
          void man.stop()
          reached()
        },
      })
      break
    default:
      throw new Error(`no stage ${stage}`)
  }
}
