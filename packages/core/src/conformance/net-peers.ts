import { existsSync, fstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Releasable } from '../sock-man'
import type { Peer, PeerFamily, PeerListener, PeerNetwork } from './peers'

/** Peers on `node:net`. */
export function netPeers(): PeerNetwork {
  return new NetNetwork()
}

let serial = 0

class NetNetwork implements PeerNetwork {
  readonly families: readonly PeerFamily[]
  readonly unreachable = { address: '127.255.255.255:9', code: 'ENETUNREACH' }
  /** Linux holds up to 4 MiB to send and 6 MiB received by default (tcp(7)), and grows into them as it goes. */
  readonly capacity = 24 << 20
  readonly otherHost = '127.0.0.2'
  readonly realTime = true
  readonly files = {
    occupy: (path: string): void => writeFileSync(path, 'kept'),
    exists: existsSync,
  }
  readonly #owned = new Set<{ destroy(): void; readonly closed: Promise<unknown> }>()
  #directory: string | undefined

  constructor() {
    const ipv6 = Object.values(networkInterfaces()).some((list) =>
      list?.some(({ address }) => address === '::1'),
    )
    // Not abstract: Node 20 pads those names with NULs to 108 bytes, so that only Node finds them.
    this.families = ['ipv4', ...(ipv6 ? (['ipv6'] as const) : []), 'unix']
  }

  now(): number {
    return performance.now()
  }

  date(): number {
    return Date.now()
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms))
  }

  noSocket(): { sock: Releasable; closed(): boolean } {
    const file = openSync(process.execPath, 'r')
    const inode = (): number | undefined => {
      try {
        return fstatSync(file).ino
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error
        return undefined
      }
    }
    const opened = inode()
    // Its number may be taken at once by what the driving thread opens.
    return { sock: { release: () => file }, closed: () => opened === undefined || inode() !== opened }
  }

  address(family: PeerFamily = 'ipv4'): string {
    if (family === 'ipv4') return '127.0.0.1:0'
    if (family === 'ipv6') return '[::1]:0'
    const name = `${process.pid}-${++serial}`
    if (family === 'abstract') return `unix:@sockman-conformance-${name}`
    this.#directory ??= mkdtempSync(join(tmpdir(), 'sockman-'))
    return `unix:${join(this.#directory, name)}`
  }

  async connect(address: string): Promise<Peer> {
    // Paused before it connects: node:net would otherwise read a first block by itself.
    const socket = connect({ ...target(address), allowHalfOpen: true, noDelay: true })
    socket.pause()
    const peer = this.#own(new NetPeer(socket))
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return peer
  }

  async listen(family?: PeerFamily): Promise<PeerListener> {
    const listener = this.#own(new NetListener((peer) => this.#own(peer)))
    await listener.listen(this.address(family))
    return listener
  }

  async refusing(family?: PeerFamily): Promise<string> {
    if (family === 'unix' || family === 'abstract') return this.address(family)
    // No program gets this port by chance, as one that was bound and closed again would be got.
    return family === 'ipv6' ? '[::1]:1' : '127.0.0.1:1'
  }

  async silent(): Promise<string> {
    // A listener that never accepts: its thread sleeps. Linux completes BACKLOG + 1 handshakes and drops the next SYN.
    const gate = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(SILENT, { eval: true, workerData: gate })
    const port = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    this.#owned.add({
      // It ends by itself: Deno cannot terminate a thread that sleeps.
      destroy: () => {
        Atomics.store(gate, 0, 1)
        Atomics.notify(gate, 0)
      },
      closed: new Promise((resolve) => worker.once('exit', resolve)),
    })
    const address = `127.0.0.1:${port}`
    await Promise.all(Array.from({ length: BACKLOG + 1 }, () => this.connect(address)))
    return address
  }

  async close(): Promise<void> {
    for (const each of this.#owned) each.destroy()
    await Promise.all([...this.#owned].map(({ closed }) => closed))
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true })
  }

  #own<T extends { destroy(): void; readonly closed: Promise<unknown> }>(it: T): T {
    this.#owned.add(it)
    void it.closed.then(() => this.#owned.delete(it))
    return it
  }
}

/**
 * How many connections the kernel keeps for a silent listener. Bun's `node:net` listens with 512 whatever it is told
 * (https://github.com/oven-sh/bun/pull/33786); with the 1 that is asked for, connects to it would succeed.
 */
const BACKLOG = 'bun' in process.versions ? 512 : 1

const SILENT = `
  const { parentPort, workerData } = require('node:worker_threads')
  const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: ${BACKLOG} }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(workerData, 0, 0)
    process.exit()
  })`

class NetListener implements PeerListener {
  address = ''
  readonly closed: Promise<void>
  readonly #server: Server
  readonly #arrived: Peer[] = []
  readonly #waiting: ((peer: Peer) => void)[] = []

  constructor(own: (peer: NetPeer) => Peer) {
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      const peer = own(new NetPeer(socket))
      const waiting = this.#waiting.shift()
      if (waiting) waiting(peer)
      else this.#arrived.push(peer)
    })
    this.closed = new Promise((resolve) => this.#server.once('close', resolve))
  }

  async listen(address: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(target(address), resolve)
    })
    const bound = this.#server.address()
    this.address = bound === null || typeof bound === 'string' ? address : format(bound.address, bound.port)
  }

  accept(): Promise<Peer> {
    const arrived = this.#arrived.shift()
    return arrived ? Promise.resolve(arrived) : new Promise((resolve) => this.#waiting.push(resolve))
  }

  destroy(): void {
    // 'close' waits for the connections too, which the network destroys in the same sweep.
    this.#server.close()
  }

  async close(): Promise<void> {
    this.destroy()
    await this.closed
  }
}

class NetPeer implements Peer {
  local = ''
  remote = ''
  readonly closed: Promise<string | undefined>
  readonly #socket: Socket
  #code: string | undefined
  #reading = false
  #changed = (): void => {}

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once('error', (error: NodeJS.ErrnoException) => {
      this.#code = error.code
    })
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(this.#code)))
    // node:net forgets addresses once the socket is gone.
    const remember = (): void => {
      this.local = format(socket.localAddress, socket.localPort)
      this.remote = format(socket.remoteAddress, socket.remotePort)
    }
    if (socket.connecting) socket.once('connect', remember)
    else remember()
  }

  send(data: Uint8Array): Promise<void> {
    return handled(
      new Promise((resolve, reject) => {
        this.#socket.write(data, (error) => (error ? reject(error) : resolve()))
      }),
    )
  }

  sendEach(chunks: Iterable<Uint8Array>): Promise<void> {
    const sendAll = async (): Promise<void> => {
      for (const chunk of chunks) if (!this.#socket.write(chunk)) await this.#drained()
      await this.send(new Uint8Array(0))
    }
    return handled(sendAll())
  }

  receive(length: number): Promise<Buffer> {
    return handled(this.#receive(length))
  }

  async #receive(length: number): Promise<Buffer> {
    const chunks: Buffer[] = []
    const count = await this.receiveInto((chunk) => chunks.push(chunk), length)
    if (count < length)
      throw new Error(`the peer got ${count} of ${length} bytes (${this.#code ?? 'end of stream'})`)
    return Buffer.concat(chunks)
  }

  async receiveInto(sink: (chunk: Buffer) => void, length = Number.POSITIVE_INFINITY): Promise<number> {
    const socket = this.#socket
    if (!this.#reading) {
      this.#reading = true
      for (const event of ['readable', 'end', 'close']) socket.on(event, () => this.#changed())
    }
    let count = 0
    while (count < length) {
      const available = socket.readableLength
      const chunk: Buffer | null = socket.read(
        available > 0 ? Math.min(available, length - count) : undefined,
      )
      if (chunk !== null) {
        count += chunk.length
        sink(chunk)
      } else if (socket.readableEnded || socket.destroyed) {
        break
      } else {
        await new Promise<void>((resolve) => {
          this.#changed = resolve
        })
      }
    }
    return count
  }

  end(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve))
  }

  reset(): void {
    const socket = this.#socket
    if (this.local === 'unix:') return this.destroy()
    // Deno resets at once, but knows nothing of the mark below.
    if ('deno' in process.versions) return void socket.resetAndDestroy()
    // What resetAndDestroy() sets before it ends the stream in the ordinary way, which would put a FIN before the RST.
    Object.assign(socket, { resetAndClosing: true })
    socket.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #drained(): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done)
        if (socket.destroyed)
          reject(new Error(`the peer's connection ended (${this.#code ?? 'closed'}) while sending`))
        else resolve()
      }
      if (socket.destroyed) done()
      else if (socket.writableLength === 0) resolve()
      else socket.on('drain', done).on('close', done)
    })
  }
}

/** A case that failed elsewhere abandons its promises: their rejection is no second failure. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** `SockAddr`'s text as the options of `node:net`. */
function target(address: string): { host: string; port: number } | { path: string } {
  if (address.startsWith('unix:')) return { path: address.slice(5).replace(/^@/, '\0') }
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

function format(host: string | undefined, port: number | undefined): string {
  if (host === undefined) return 'unix:'
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
