import { SockAddr } from '@sockman/core'
import { BenchError } from '../errors'
import type { Transport } from '../rows/transport'
import type { Verify } from '../wire/framing'
import { displayHash, sha256d } from '../wire/hash'
import { MAX_HEADERS } from '../wire/message'
import { MAGIC, type Network } from '../wire/network'
import { HashList } from './hash-list'
import { type Measurement, Meter } from './meter'
import { Peer } from './peer'
import type { PeerOwner, Request } from './peer-owner'

/** Blocks asked from one peer at a time (`MAX_BLOCKS_IN_TRANSIT_PER_PEER`, net_processing.cpp). */
const IN_FLIGHT = 16
/**
 * No block is asked for this far beyond the first that is missing (`BLOCK_DOWNLOAD_WINDOW`,
 * net_processing.cpp).
 */
const WINDOW = 1024

/** What to download and how; plain data. */
export interface DownloadPlan {
  /** Text of `SockAddr`s; peers take them in turn. */
  readonly addresses: readonly string[]
  /** Number of connections. */
  readonly peers: number
  readonly network: Network
  readonly verify: Verify
  /** Times over the set that are measured. */
  readonly laps: number
  /** Times over the set before, downloaded and verified just the same. */
  readonly warmUpLaps: number
  /** ms, see `PeerOptions`. */
  readonly stallTimeout: number
  /** Most headers of a peer; more is no chain. */
  readonly maxBlocks: number
  /** Lengths of the set's `block` messages, where the server is ours. */
  readonly sizes?: readonly number[]
  /** Count bytes instead of framing them; needs `sizes`. */
  readonly countOnly: boolean
}

export interface DownloadResult extends Measurement {
  /** Blocks in the set. */
  readonly setBlocks: number
  /** Complete and verified blocks, warm-up included, and their bytes on the wire. */
  readonly checkedBlocks: number
  readonly checkedBytes: number
  /** Peers that were dropped, with the reason. */
  readonly dropped: readonly string[]
}

/**
 * An IBD-style download: handshakes with all peers, headers from one, then blocks from all through a moving
 * window. A peer that fails is dropped and what it owed is asked from another.
 */
export class Download implements PeerOwner {
  readonly #transport: Transport
  readonly #plan: DownloadPlan
  readonly #note: (line: string) => void
  readonly #meter: Meter
  readonly #peers: Peer[] = []
  readonly #dropped: string[] = []
  #hashes = new HashList()
  /** Peers with room while the window had nothing to give. */
  readonly #hungry = new Set<Peer>()

  /** Blocks in all laps. */
  #total = 0
  /** By position in them, modulo the window: a peer decides how many there are. */
  readonly #isDone = new Uint8Array(WINDOW)
  /** First position that is missing, next that was never asked for, and those whose peer was dropped. */
  #firstMissing = 0
  #next = 0
  readonly #again: number[] = []
  #checkedBlocks = 0
  #checkedBytes = 0

  // What the phase that runs is waiting for.
  #onPeersChanged: () => void = () => {}
  #onHeadersArrived: (headers: Uint8Array[] | undefined) => void = () => {}
  #finish: () => void = () => {}
  #fail: (error: BenchError) => void = () => {}

  /** @param note takes one line about each dropped peer */
  constructor(transport: Transport, plan: DownloadPlan, note: (line: string) => void) {
    this.#transport = transport
    this.#plan = plan
    this.#note = note
    this.#meter = new Meter(transport)
  }

  /** @throws BenchError when no peer is left, naming how many blocks are missing */
  async run(): Promise<DownloadResult> {
    try {
      await this.#connect()
      await this.#downloadHeaders()
      await this.#downloadBlocks()
    } finally {
      for (const peer of this.#peers) peer.close()
    }
    return {
      ...this.#meter.result(),
      setBlocks: this.#hashes.length,
      checkedBlocks: this.#checkedBlocks,
      checkedBytes: this.#checkedBytes,
      dropped: this.#dropped,
    }
  }

  get #live(): Peer[] {
    return this.#peers.filter(({ isDropped }) => !isDropped)
  }

  async #connect(): Promise<void> {
    const { addresses, peers, network, verify, stallTimeout } = this.#plan
    await new Promise<void>((resolve) => {
      this.#onPeersChanged = () => {
        if (this.#live.every(({ state }) => state === 'ready')) resolve()
      }
      for (let number = 0; number < peers; number++) {
        const address = SockAddr.parse(addresses[number % addresses.length]!)
        const name = `peer ${number} (${address})`
        this.#peers.push(
          new Peer(this.#transport, { name, address, magic: MAGIC[network], verify, stallTimeout }, this),
        )
      }
    })
    if (this.#live.length === 0) throw new BenchError(`no peer reachable at ${addresses.join(', ')}`)
  }

  /** From one peer, and where that fails all of them from the next: the two may know different chains. */
  async #downloadHeaders(): Promise<void> {
    for (let complete = false; !complete; ) {
      const [peer] = this.#live
      if (!peer)
        throw new BenchError('no peer left while the headers were downloaded: no block could be asked for')
      this.#hashes = new HashList()
      complete = await this.#downloadHeadersFrom(peer)
    }
    this.#onPeersChanged = () => {}
    const { sizes } = this.#plan
    if (sizes && sizes.length !== this.#hashes.length) {
      throw new BenchError(`${this.#hashes.length} headers arrived, the set has ${sizes.length} blocks`)
    }
  }

  /** False when the peer was dropped. */
  async #downloadHeadersFrom(peer: Peer): Promise<boolean> {
    // Blocks may come after the handshake, as many as one message holds.
    const most = Math.min(this.#plan.maxBlocks, peer.height! + MAX_HEADERS)
    // An unknown hash first: the answer then starts at the begin, for this server and for a Bitcoin Core
    // node.
    let last: Uint8Array = Buffer.alloc(32)
    for (let more = true; more; ) {
      const arrived = new Promise<Uint8Array[] | undefined>((resolve) => {
        this.#onHeadersArrived = resolve
        this.#onPeersChanged = () => peer.state === 'dropped' && resolve(undefined)
      })
      peer.requestHeaders(last)
      const headers = await arrived
      if (!headers) return false
      const wrong = this.#addHeaders(headers, most)
      if (wrong !== undefined) {
        peer.refuse(wrong)
        return false
      }
      if (this.#hashes.length > 0) last = this.#hashes.at(this.#hashes.length - 1)
      more = headers.length === MAX_HEADERS
    }
    if (this.#hashes.length > 0) return true
    peer.refuse('has no blocks')
    return false
  }

  /** What is wrong with the headers; undefined: nothing. */
  #addHeaders(headers: readonly Uint8Array[], most: number): string | undefined {
    for (const header of headers) {
      const hash = sha256d(header)
      if (!this.#hashes.push(hash)) return `sent the header ${displayHash(hash)} twice`
      if (this.#hashes.length > most) return `sent more than ${most} headers, its chain cannot have as many`
    }
    return undefined
  }

  async #downloadBlocks(): Promise<void> {
    const { laps, warmUpLaps, countOnly } = this.#plan
    this.#total = this.#hashes.length * (warmUpLaps + laps)
    await new Promise<void>((resolve, reject) => {
      this.#finish = resolve
      this.#fail = reject
      if (warmUpLaps === 0) this.#meter.start()
      for (const peer of this.#live) {
        if (countOnly) peer.countOnly()
        this.#fill(peer)
      }
    })
  }

  onReady(): void {
    this.#onPeersChanged()
  }

  onHeaders(_peer: Peer, headers: Uint8Array[]): void {
    this.#onHeadersArrived(headers)
  }

  onBlock(_peer: Peer, { index, sentAt }: Request, length: number): void {
    this.#isDone[index % WINDOW] = 1
    for (; this.#isDone[this.#firstMissing % WINDOW] === 1; this.#firstMissing++) {
      this.#isDone[this.#firstMissing % WINDOW] = 0
    }
    this.#checkedBlocks++
    this.#checkedBytes += 24 + length
    this.#meter.onBlock(sentAt)
    if (this.#checkedBlocks === this.#hashes.length * this.#plan.warmUpLaps) this.#meter.start()
  }

  onChunk(peer: Peer, bytes: number): void {
    this.#meter.onBytes(bytes)
    if (this.#total === 0) return
    if (this.#checkedBlocks === this.#total) {
      this.#meter.stop()
      this.#finish()
      return
    }
    this.#fill(peer)
    for (const hungry of this.#hungry) this.#fill(hungry)
  }

  onDropped(peer: Peer, reason: string): void {
    const owed = peer.inFlight.splice(0)
    this.#hungry.delete(peer)
    for (const { index } of owed) this.#again.push(index)
    const line = `${peer.name} dropped: ${reason}`
    this.#dropped.push(line)
    this.#note(
      owed.length > 0 ? `${line}; its ${owed.length} outstanding blocks are asked from another` : line,
    )
    this.#onPeersChanged()
    const live = this.#live
    if (live.length === 0) {
      const missing = this.#total - this.#checkedBlocks
      this.#fail(new BenchError(`no peer left: ${missing} of ${this.#total} blocks are missing`))
    }
    if (this.#total > 0) for (const other of live) this.#fill(other)
  }

  /** Asks `peer` for blocks until 16 are in flight or the window is used up. */
  #fill(peer: Peer): void {
    if (peer.state !== 'ready' || peer.inFlight.length >= IN_FLIGHT) return
    const requests: Request[] = []
    const now = performance.now()
    while (peer.inFlight.length + requests.length < IN_FLIGHT) {
      const index = this.#take()
      if (index === undefined) break
      const position = index % this.#hashes.length
      requests.push({
        index,
        hash: this.#hashes.at(position),
        size: this.#plan.sizes?.[position],
        sentAt: now,
      })
    }
    if (requests.length > 0) peer.requestBlocks(requests)
    if (peer.inFlight.length < IN_FLIGHT && !peer.isDropped) this.#hungry.add(peer)
    else this.#hungry.delete(peer)
  }

  #take(): number | undefined {
    if (this.#again.length > 0) return this.#again.pop()
    if (this.#next < Math.min(this.#total, this.#firstMissing + WINDOW)) return this.#next++
    return undefined
  }
}
