import { type Accepted, type Sock, SockAddr, type SockFactory } from '../../src'
import type { Peer, PeerFamily, PeerListener, PeerNetwork } from '../../src/conformance/peers'
import { createMemoryNetwork, type MemoryNetwork } from '../../src/memory'
import type { Endpoint, EndpointOwner } from '../../src/memory/endpoint'
import type { Host } from '../../src/memory/host'
import type { Kernel } from '../../src/memory/kernel'
import type { Listening } from '../../src/memory/listening'
import type { Target } from '../../src/memory/schedule'
import type { World } from '../../src/memory/world'
import type { Releasable } from '../../src/sock-man'

const EAGAIN = -11
const CODES = new Map([
  [-11, 'EAGAIN'],
  [-32, 'EPIPE'],
  [-104, 'ECONNRESET'],
  [-111, 'ECONNREFUSED'],
])
const SETTINGS = { backlog: 511, reusePort: false, ipv6Only: true }

/** What is read passes through it at once. */
const scratch = new Uint8Array(65536)

let serial = 0

/** A host of a network of its own, which lives in no time. */
export function memoryHost(seed = 1): Host {
  return createMemoryNetwork({ seed, clock: 'auto' }).host() as Host
}

/** Peers on the raw endpoints of a host: no SockMan between. */
export class MemoryPeers implements PeerNetwork {
  readonly families: readonly PeerFamily[] = ['ipv4', 'ipv6', 'unix']
  /** The host has no IPv6 address but loopback. */
  readonly unreachable = { address: '[2001:db8::1]:9', code: 'ENETUNREACH' }
  readonly otherHost = '127.0.0.2'
  /** Two buffers of 16 KiB hold far less; a SockMan's own limits of a MiB are to be met too. */
  readonly capacity = 4 << 20
  readonly files: PeerNetwork['files']
  readonly #network: MemoryNetwork
  readonly #kernel: Kernel
  readonly #socks: SockFactory
  readonly #owned = new Set<{ destroy(): void }>()

  constructor(host: Host) {
    this.#network = host.network
    this.#kernel = host.kernel
    this.#socks = host.socks
    this.files = {
      occupy: (path) => void host.files.add(path),
      exists: (path) => host.files.has(path) || host.kernel.names.find(SockAddr.unix(path)) !== undefined,
    }
  }

  now(): number {
    return this.#network.now()
  }

  date(): number {
    return this.#world.clock.epoch + this.now()
  }

  sleep(ms: number): Promise<void> {
    return this.#network.sleep(ms)
  }

  report(): string {
    return this.#network.report()
  }

  get #world(): World {
    return this.#kernel.world
  }

  address(family: PeerFamily = 'ipv4'): string {
    if (family === 'ipv4') return '127.0.0.1:0'
    if (family === 'ipv6') return '[::1]:0'
    return family === 'unix' ? `unix:/run/${++serial}` : `unix:@${++serial}`
  }

  async connect(address: string): Promise<Peer> {
    const endpoint = this.#kernel.connect(SockAddr.parse(address), undefined)
    const peer = this.#own(new MemoryPeer(endpoint, this.#world))
    await peer.connected()
    return peer
  }

  async listen(family?: PeerFamily): Promise<PeerListener> {
    const listening = this.#kernel.listen(SockAddr.parse(this.address(family)), SETTINGS)
    return this.#own(
      new MemoryPeerListener(listening, this.#world, (endpoint) =>
        this.#own(new MemoryPeer(endpoint, this.#world)),
      ),
    )
  }

  async refusing(family?: PeerFamily): Promise<string> {
    if (family === 'unix' || family === 'abstract') return this.address(family)
    const listener = await this.listen(family)
    await listener.close()
    return listener.address
  }

  /** TEST-NET-3 of RFC 5737: nobody is there. */
  async silent(): Promise<string> {
    return '203.0.113.9:1'
  }

  async adoptable(): Promise<{ sock: Sock; peer: Peer }> {
    const { sock: listener, address } = this.adoptableListener()
    const peer = await this.connect(address)
    const { sock } = listener.accept() as Accepted<Sock>
    listener.close()
    return { sock, peer }
  }

  adoptableListener(): { sock: Sock; address: string } {
    const sock = this.#socks.create('ipv4')
    sock.bind(this.address())
    sock.listen()
    return { sock, address: `${sock.getSockName()}` }
  }

  noSocket(): { sock: Releasable; closed(): boolean } {
    // The descriptor of something else: not the network's to close.
    return { sock: { release: () => 1 }, closed: () => true }
  }

  async close(): Promise<void> {
    for (const each of this.#owned) each.destroy()
  }

  #own<T extends { destroy(): void }>(it: T): T {
    this.#owned.add(it)
    return it
  }
}

/** Lets code wait for a socket: it runs when the clock moves, in a batch of its own. */
abstract class Waiting implements EndpointOwner, Target {
  protected readonly world: World
  #waiting: (() => void)[] = []
  #wakeDue = false

  constructor(world: World) {
    this.world = world
  }

  changed(): void {
    if (this.#wakeDue) return
    this.#wakeDue = true
    this.world.clock.post(this.world.clock.now, this, 0, 0)
  }

  happen(): boolean {
    this.#wakeDue = false
    this.woken()
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
    return true
  }

  protected woken(): void {}

  protected change(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push(resolve))
  }
}

class MemoryPeerListener extends Waiting implements PeerListener {
  readonly #listening: Listening
  readonly #own: (endpoint: Endpoint) => Peer

  constructor(listening: Listening, world: World, own: (endpoint: Endpoint) => Peer) {
    super(world)
    this.#listening = listening
    this.#own = own
    listening.owner = this
  }

  get address(): string {
    return `${this.#listening.address}`
  }

  async accept(): Promise<Peer> {
    for (;;) {
      const endpoint = this.#listening.accept()
      if (endpoint) return this.#own(endpoint)
      await this.change()
    }
  }

  destroy(): void {
    this.#listening.close()
  }

  async close(): Promise<void> {
    this.destroy()
  }
}

class MemoryPeer extends Waiting implements Peer {
  readonly closed: Promise<string | undefined>
  readonly #endpoint: Endpoint
  #resolveClosed!: (code: string | undefined) => void
  /** Sends follow one another. */
  #last: Promise<void> = Promise.resolve()
  #ended = false
  #read = false

  constructor(endpoint: Endpoint, world: World) {
    super(world)
    this.#endpoint = endpoint
    endpoint.owner = this
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  get local(): string {
    return `${this.#endpoint.me}`
  }

  get remote(): string {
    return `${this.#endpoint.them}`
  }

  async connected(): Promise<void> {
    while (!this.#endpoint.connected) {
      if (this.#endpoint.error !== 0) throw new Error(`connect ${this.#code} ${this.remote}`)
      await this.change()
    }
  }

  send(data: Uint8Array): Promise<void> {
    return this.#inOrder(() => this.#write(data))
  }

  sendEach(chunks: Iterable<Uint8Array>): Promise<void> {
    return this.#inOrder(async () => {
      for (const chunk of chunks) await this.#write(chunk)
    })
  }

  async receive(length: number): Promise<Buffer> {
    const chunks: Buffer[] = []
    const count = await this.receiveInto((chunk) => chunks.push(chunk), length)
    if (count < length)
      throw new Error(`the peer got ${count} of ${length} bytes (${this.#code ?? 'end of stream'})`)
    return Buffer.concat(chunks)
  }

  async receiveInto(sink: (chunk: Buffer) => void, length = Number.POSITIVE_INFINITY): Promise<number> {
    let count = 0
    while (count < length) {
      const read = this.#endpoint.closed
        ? 0
        : this.#endpoint.read(scratch, 0, Math.min(scratch.length, length - count))
      if (read > 0) {
        count += read
        sink(Buffer.from(scratch.subarray(0, read)))
      } else if (read === EAGAIN) {
        await this.change()
      } else {
        this.#read = true
        this.#settle()
        break
      }
    }
    return count
  }

  end(): Promise<void> {
    return this.#inOrder(async () => {
      this.#endpoint.shutdown()
      this.#ended = true
      this.#settle()
    })
  }

  reset(): void {
    if (this.local === 'unix:') this.#endpoint.close()
    else this.#endpoint.reset()
    this.#gone()
  }

  destroy(): void {
    this.#endpoint.close()
    this.#gone()
  }

  protected override woken(): void {
    if (this.#endpoint.error !== 0) this.#resolveClosed(this.#code)
  }

  get #code(): string | undefined {
    return CODES.get(this.#endpoint.error)
  }

  /** Both directions have ended. */
  #settle(): void {
    if (this.#read && this.#ended) this.destroy()
  }

  #gone(): void {
    this.#resolveClosed(this.#code)
    // Whoever waits finds it closed.
    this.changed()
  }

  #inOrder(act: () => Promise<void>): Promise<void> {
    const done = this.#last.then(act)
    this.#last = done.catch(() => {})
    return done
  }

  async #write(data: Uint8Array): Promise<void> {
    for (let sent = 0; sent < data.length; ) {
      const count = this.#endpoint.closed ? -32 : this.#endpoint.write(data, sent, data.length - sent)
      if (count > 0) sent += count
      else if (count === EAGAIN) await this.change()
      else throw new Error(`the peer's connection ended (${this.#code ?? 'closed'}) while sending`)
    }
  }
}
