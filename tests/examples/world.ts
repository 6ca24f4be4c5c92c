// Where the programs of examples/programs run in their tests: on every engine, and in memory.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type ConnectionId, SockAddr, type SockMan } from '@sockman/core'
import { createMemoryNetwork, type MemoryNetworkOptions } from '@sockman/core/memory'
import type { createSockMan } from 'sockman'
import { afterAll, onTestFinished, test } from 'vitest'
import { streamOf } from '../../examples/programs/tls.js'
import { type Row, requireRow, rows } from '../rows'

export type Create = typeof createSockMan

/** The other side of a program. */
export interface Peer {
  stream: Duplex
  /** Ends the connection with a reset. */
  reset(): void
}

/** Where a program runs, and what its tests speak to it with: `node:net` beside an engine, a SockMan in memory. */
export interface World {
  create: Create
  /** An address to listen on, with small buffers in the kernel where `small`. */
  address(small?: boolean): string
  dial(address: SockAddr): Peer
  /** Gives each connection to `talk`; answers where it listens. */
  serve(talk: (peer: Peer) => void): Promise<string>
  /** More bytes than all buffers on a way that is `small`, and one queue, hold. */
  much: number
  /** What a connection whose source is paused has queued at most. */
  bound: number
  /** How to play a failure again. */
  report(): string
}

export const KI = 1024
/** Of Unix sockets and a certificate. */
export const folder = mkdtempSync(join(tmpdir(), 'examples-'))
afterAll(() => rmSync(folder, { recursive: true }))
let names = 0

export function onRow({ backend, drive }: Row): World {
  return {
    create: async (events, options) => backend.createSockMan(events, { ...options, drive, poison: true }),
    // A Unix socket's buffers do not grow with the machine.
    address: (small) => (small ? `unix:${folder}/${names++}` : '127.0.0.1:0'),
    dial({ family, host, port, path }) {
      const options = family === 'unix' ? { path: path! } : { host, port }
      return peerOf(connect({ ...options, allowHalfOpen: true }))
    },
    async serve(talk) {
      const server = createServer({ allowHalfOpen: true }, (socket) => talk(peerOf(socket)))
      await once(server.listen(0, '127.0.0.1'), 'listening')
      onTestFinished(() => void server.close())
      return `${SockAddr.from(server.address() as AddressInfo)}`
    },
    much: 2048 * KI,
    bound: (64 + 256) * KI,
    report: () => '',
  }
}

function peerOf(stream: Socket): Peer {
  // What a test is about is seen by its reads; a reset must not end the test's process.
  stream.on('error', () => {})
  onTestFinished(() => void stream.destroy())
  return { stream, reset: () => stream.resetAndDestroy() }
}

function inMemory(options: MemoryNetworkOptions): World {
  const network = createMemoryNetwork({ clock: 'auto', ...options })
  const [home, away, third] = [network.host('10.0.0.1'), network.host('10.0.0.2'), network.host('10.0.0.3')]
  const peerAt = (man: SockMan, id: ConnectionId): Peer => {
    const stream = streamOf(man, id)
    stream.on('error', () => {})
    return { stream, reset: () => void man.close(id, { reset: true }) }
  }
  const client = away.createSockMan({})
  onTestFinished(() => client.stop())
  return {
    create: async (events, options) => home.createSockMan(events, options),
    address: () => '10.0.0.1:0',
    dial: (address) => peerAt(client, client.connect(address)),
    async serve(talk) {
      const man = third.createSockMan({ onAccepted: (id) => talk(peerAt(man, id)) })
      onTestFinished(() => man.stop())
      return `${man.listen('10.0.0.3:0').address}`
    },
    much: 256 * KI,
    bound: (64 + 16) * KI,
    report: () => network.report(12),
  }
}

/** Runs a case on every row, and in memory with several seeds, one of them in chunks of a few bytes. */
export function everywhere(title: string, body: (world: World) => Promise<void>): void {
  for (const row of rows) {
    test(`${title}: ${row.name}`, async (context) => {
      requireRow(row, context)
      await body(onRow(row))
    })
  }
  for (const options of [{ seed: 1 }, { seed: 2 }, { seed: 3 }, { seed: 4, chunk: [1, 8] as const }]) {
    test(`${title}: in memory ${JSON.stringify(options)}`, async () => {
      const world = inMemory(options)
      try {
        await body(world)
      } catch (error) {
        throw new Error(`${error}\n${world.report()}`, { cause: error })
      }
    })
  }
}

/** Stops what a program gave when the test is over. */
export function stopLater<T extends { man: SockMan }>(program: T): T {
  onTestFinished(() => program.man.stop())
  return program
}

/** An address where nobody listens any more. */
export async function abandoned(world: World): Promise<string> {
  const { man } = stopLater({ man: await world.create({}) })
  const gone = man.listen(world.address())
  gone.close()
  return `${gone.address}`
}

export function deferred<T = void>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<T>((...given) => {
    ;[resolve, reject] = given
  })
  return { promise, resolve, reject }
}

/**
 * Makes SockMans of 64 KiB `sendHighWater` and watches them: `paused` resolves when a connection is paused for the first
 * time, and rejects when more is queued than can be where sources are paused.
 */
export function watching(world: World): { create: Create; paused: Promise<void> } {
  const { promise, resolve, reject } = deferred()
  return {
    paused: promise,
    async create(events, options) {
      const man = await world.create(events, { ...options, sendHighWater: 64 * KI })
      const { send, pause } = man
      man.send = (...given) => {
        const room = send.apply(man, given)
        const { queuedBytes } = man.stats()
        if (queuedBytes > world.bound) reject(new Error(`${queuedBytes} bytes are queued`))
        return room
      }
      man.pause = (id) => {
        pause.call(man, id)
        resolve()
      }
      return man
    },
  }
}
