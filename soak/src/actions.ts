import type { Random } from '../../packages/core/src/memory/random'
import { type Caller, CROWD } from './caller'
import type { Connection } from './connection'

/** Most bytes of one send, and of all sends of an id. */
const LARGEST = 300_000
const MOST = 2 << 20
/** Most listeners at a time. */
const LISTENERS = 8
/** Connects of a crowd that fails together. */
const TOGETHER = 16

const unknown = ['ERR_UNKNOWN_CONNECTION']

function connect(caller: Caller, address: string, timeout?: number): void {
  const { man, world } = caller
  if (caller.live.size >= 2 * CROWD) return
  const controller = world.random.next() < 0.3 ? new AbortController() : undefined
  try {
    const id = man.connect(address, {
      ...(timeout !== undefined && { timeout }),
      ...(controller && { signal: controller.signal }),
    })
    const connection = caller.begin(id, 'connecting')
    if (controller) connection.controller = controller
    if (world.random.next() < 0.3) send(caller, connection, world.random.scaled(1, 1000), false)
  } catch (error) {
    // The ports of the machine are all in use for a moment; a Unix socket's queue is full.
    caller.expected('connect', error, ['EADDRNOTAVAIL', 'EAGAIN', 'ENOENT', 'ECONNREFUSED'])
  }
}

function send(caller: Caller, connection: Connection, length: number, borrow: boolean): void {
  const { id, writer, state } = connection
  if (writer.taken + length > MOST) return
  const bytes = writer.take(length)
  try {
    if (borrow) connection.lend(bytes)
    connection.note('send()')
    const [more, notify] = [caller.world.random.next() < 0.1, caller.world.random.next() < 0.15]
    caller.man.send(id, bytes, { borrow, more, notify })
    if (notify) connection.notifyDue = true
    if (connection.gone) caller.fault(`send to ${connection}, which is ${state}, was taken`)
    if (connection.shut && state !== 'error' && length > 0 && !connection.hadError)
      caller.fault(`send to ${connection} after shutdown was taken`)
    caller.count('bytes sent', length)
    // What is copied may be written over at once.
    if (!borrow) bytes.fill(0xdb)
  } catch (error) {
    writer.untake(length)
    if (connection.gone) caller.expected('send', error, unknown)
    else if (connection.shut) caller.expected('send', error, ['EPIPE'])
    else caller.expected('send', error, ['ERR_SEND_QUEUE_FULL'])
  }
}

/** Calls one about an id that is picked at random. */
const about =
  (call: (caller: Caller, connection: Connection) => void) =>
  (caller: Caller): void => {
    const connection = caller.pick()
    if (connection) call(caller, connection)
  }

/** Bytes per second, or no limit. */
const rate = (random: Random): number => (random.next() < 0.4 ? 0 : random.scaled(10_000, 10_000_000))

const any = <T>(caller: Caller, list: readonly T[]): T => list[caller.world.random.below(list.length)]!

/** What the caller may do, each with how often. */
const CHOICES: Readonly<Record<string, readonly [weight: number, act: (caller: Caller) => void]>> = {
  'connect to a peer': [
    12,
    (caller) => {
      if (caller.live.size < CROWD) connect(caller, any(caller, caller.world.peers.listening))
    },
  ],
  'connect to itself': [
    2,
    (caller) => {
      const listeners = [...caller.listeners]
      if (listeners.length > 0 && caller.live.size < CROWD)
        connect(caller, `${any(caller, listeners).address}`)
    },
  ],
  'connects that are refused': [
    3,
    (caller) => {
      const address = any(caller, caller.world.peers.refusing)
      const count = caller.world.random.scaled(1, TOGETHER)
      for (let n = 0; n < count; n++) connect(caller, address)
    },
  ],
  'connects that are not answered': [
    2,
    (caller) => {
      const { random, peers } = caller.world
      const timeout = random.scaled(1, 50)
      const count = random.scaled(1, TOGETHER)
      for (let n = 0; n < count; n++) connect(caller, peers.silent, timeout)
    },
  ],
  send: [
    20,
    about((caller, connection) => {
      const { random } = caller.world
      const length = random.next() < 0.05 ? 0 : random.scaled(1, random.next() < 0.8 ? 2000 : LARGEST)
      send(caller, connection, length, random.next() < 0.3)
    }),
  ],
  pause: [
    6,
    about(({ man }, connection) => {
      connection.note('pause()')
      man.pause(connection.id)
      connection.paused = true
    }),
  ],
  resume: [
    9,
    about(({ man }, connection) => {
      connection.note('resume()')
      man.resume(connection.id)
      connection.paused = false
    }),
  ],
  shutdown: [3, about((caller, connection) => caller.shutdown(connection))],
  close: [5, about((caller, connection) => caller.close(connection, {}))],
  'close with flush': [
    3,
    about((caller, connection) => {
      caller.man.resume(connection.id)
      caller.close(connection, { flush: true, timeout: caller.world.random.scaled(1, 200) })
    }),
  ],
  'close with reset': [2, about((caller, connection) => caller.close(connection, { reset: true }))],
  abort: [
    3,
    about((_, connection) => {
      if (connection.state === 'connecting' && connection.controller) connection.aborted = true
      connection.controller?.abort()
    }),
  ],
  'other handlers': [
    2,
    about((caller, connection) => {
      connection.note('setEvents()')
      const known = caller.setEvents(connection)
      if (known === connection.gone) caller.fault(`setEvents of ${connection} said ${known}`)
    }),
  ],
  'other options': [
    2,
    about((caller, connection) => {
      const { random } = caller.world
      connection.note('setOptions()')
      try {
        const known = caller.man.setOptions(connection.id, {
          noDelay: random.next() < 0.5,
          ...(random.next() < 0.5 && { keepAlive: random.next() < 0.5 ? 0 : random.scaled(1000, 100_000) }),
          ...(random.next() < 0.3 && { idleTimeout: random.next() < 0.5 ? 0 : random.scaled(1, 1000) }),
          ...(random.next() < 0.2 && { receiveRate: rate(random) }),
          ...(random.next() < 0.2 && { sendRate: rate(random) }),
        })
        connection.limited = true
        if (known === connection.gone) caller.fault(`setOptions of ${connection} said ${known}`)
      } catch (error) {
        // The peer has reset it, and nobody has been told yet.
        caller.expected('setOptions', error, ['EINVAL'])
      }
    }),
  ],
  'ask where an id is': [
    1,
    about((caller, connection) => {
      const { me, them } = connection
      try {
        const told = caller.man.addresses(connection.id)
        if (me !== '' && (`${told.me}` !== me || `${told.them}` !== them))
          caller.fault(`addresses of ${connection}: ${told.me}, ${told.them} and not ${me}, ${them}`)
      } catch (error) {
        if (connection.gone) caller.expected('addresses', error, unknown)
        else caller.fault(`addresses of ${connection}: ${error}`)
      }
    }),
  ],
  'ask which there are': [
    0.5,
    (caller) => {
      const ids = caller.man.connections()
      const known = [...caller.live.values()].filter(({ gone }) => !gone).map(({ id }) => id)
      if (ids.length !== known.length || new Set([...ids, ...known]).size !== ids.length)
        caller.fault(`connections() are ${ids.length}, ${known.length} are known`)
    },
  ],
  'ask about an id': [
    2,
    about((caller, connection) => {
      try {
        const { queuedBytes, heldBytes, bytesReceived } = caller.man.connectionStats(connection.id)
        if (connection.state === 'ended') caller.fault(`id ${connection.id} has ended and has statistics`)
        if (queuedBytes < 0 || heldBytes < 0 || bytesReceived < connection.reader.received)
          caller.fault(
            `id ${connection.id}: ${queuedBytes} queued, ${heldBytes} held, ${bytesReceived} received`,
          )
      } catch (error) {
        if (connection.gone) caller.expected('connectionStats', error, unknown)
        else caller.fault(`connectionStats of id ${connection.id}: ${error}`)
      }
    }),
  ],
  'ask about all': [
    1,
    (caller) => {
      const { queuedBytes, heldBytes, connections } = caller.man.stats()
      if (queuedBytes < 0 || heldBytes < 0 || connections < caller.live.size)
        caller.fault(
          `${queuedBytes} queued, ${heldBytes} held, ${connections} of ${caller.live.size} connections`,
        )
    },
  ],
  listen: [
    1,
    (caller) => {
      if (caller.listeners.size >= LISTENERS) return
      caller.listeners.add(caller.man.listen(caller.world.address()))
      caller.listenersChanged()
    },
  ],
  'close a listener': [
    0.5,
    (caller) => {
      if (caller.listeners.size < 2) return
      const listener = any(caller, [...caller.listeners])
      listener.close()
      caller.listeners.delete(listener)
      caller.listenersChanged()
    },
  ],
  'an id of nobody': [
    0.5,
    (caller) => {
      for (const id of [0, -1, 2 ** 53 - 1, Number.NaN] as never[])
        if (caller.man.close(id)) caller.fault(`close(${id}) said true`)
    },
  ],
}

export const ACTIONS = Object.fromEntries(
  Object.entries(CHOICES).map(([name, [, act]]) => [name, act]),
) as Record<string, (caller: Caller) => void>

const total = Object.values(CHOICES).reduce((sum, [weight]) => sum + weight, 0)

/** One of the actions. */
export function draw(random: Random): string {
  let at = random.next() * total
  for (const [name, [weight]] of Object.entries(CHOICES)) {
    at -= weight
    if (at < 0) return name
  }
  return 'send'
}
