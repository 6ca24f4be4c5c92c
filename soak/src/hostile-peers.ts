import type { Peer, PeerListener, PeerNetwork } from '../../packages/core/src/conformance/peers'
import type { Random } from '../../packages/core/src/memory/random'
import { ENDS, type End, type PeerAddresses, type PeerReport, type Peers } from './peers'
import { TagReader, TagWriter } from './tag'

/** Connections, of both directions, beyond which no visit is begun. */
const CROWD = 200
/** Most ms between two visits. */
const PAUSE = 3
/** Most bytes that one peer sends. */
const LONGEST = 1 << 20

const READS = ['all', 'all', 'all', 'none', 'some', 'slowly'] as const

/** What one peer is going to do. */
interface Plan {
  readonly total: number
  readonly write: 'bytes' | 'chunks' | 'whole'
  readonly read: (typeof READS)[number]
  readonly end: End
  /** ms after which it ends, whatever it has sent by then; undefined: when all is sent. */
  readonly after: number | undefined
}

/**
 * Peers that nobody would wish for: they reset at every stage, write byte by byte, never read, read and then stop, end
 * their side and wait, end it and reset, or stay until they are told to finish.
 */
export class HostilePeers implements Peers {
  readonly #network: PeerNetwork
  readonly #random: Random
  readonly #listeners: PeerListener[] = []
  readonly #meetings = new Set<Promise<void>>()
  readonly #reports: PeerReport[] = []
  #addresses: readonly string[] = []
  #addressesChanged = (): void => {}
  #nextKey: number
  #finishing = false
  /** Resolves when the peers are to finish. */
  readonly #finished: Promise<void>
  #finish!: () => void

  /** @param firstKey of the streams they send, counted up from there */
  constructor(network: PeerNetwork, random: Random, firstKey: number) {
    this.#network = network
    this.#random = random
    this.#nextKey = firstKey
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  async open(): Promise<PeerAddresses> {
    for (const family of this.#network.families) {
      const listener = await this.#network.listen(family)
      this.#listeners.push(listener)
      void this.#serve(listener)
    }
    const refusing = await Promise.all(this.#network.families.map((each) => this.#network.refusing(each)))
    const listening = this.#listeners.map(({ address }) => address)
    const silent = await this.#network.silent()
    this.#track(this.#visitAgainAndAgain())
    return { listening, refusing: refusing.filter((each) => !listening.includes(each)), silent }
  }

  visit(addresses: readonly string[]): void {
    this.#addresses = addresses
    this.#addressesChanged()
  }

  async finish(): Promise<PeerReport[]> {
    this.#finishing = true
    this.#finish()
    this.#addressesChanged()
    while (this.#meetings.size > 0) await Promise.all(this.#meetings)
    return this.#reports
  }

  async close(): Promise<void> {
    this.#finishing = true
    this.#finish()
    await this.#network.close()
  }

  #track(meeting: Promise<void>): void {
    this.#meetings.add(meeting)
    void meeting.finally(() => this.#meetings.delete(meeting))
  }

  async #serve(listener: PeerListener): Promise<void> {
    for (;;) this.#track(this.#meet(await listener.accept()))
  }

  /** Connects until it is told to finish. */
  async #visitAgainAndAgain(): Promise<void> {
    while (!this.#finishing) {
      if (this.#addresses.length === 0) await this.#otherAddresses()
      else if (this.#meetings.size < CROWD) this.#track(this.#visit())
      await this.#network.sleep(this.#random.below(PAUSE + 1))
    }
  }

  /** Resolves when it is told of other addresses, or to finish. */
  #otherAddresses(): Promise<void> {
    return new Promise((resolve) => {
      this.#addressesChanged = resolve
    })
  }

  async #visit(): Promise<void> {
    const address = this.#addresses[this.#random.below(this.#addresses.length)]!
    let peer: Peer
    try {
      peer = await this.#network.connect(address)
    } catch {
      // That listener is closed, or the SockMan has stopped.
      return
    }
    await this.#meet(peer)
  }

  /** One connection from its first byte to its end. */
  async #meet(peer: Peer): Promise<void> {
    const plan = this.#plan()
    const writer = new TagWriter(this.#nextKey++)
    const { local, remote } = peer
    const report: PeerReport = {
      key: writer.key,
      local,
      remote,
      end: plan.end,
      ...(plan.after !== undefined && { after: plan.after }),
      read: plan.read,
      sent: 0,
      ended: false,
      received: 0,
      sawEnd: false,
    }
    this.#reports.push(report)
    const reading = this.#read(peer, plan, report)
    const writing = this.#write(peer, plan, writer, report)
    if (plan.after === undefined) await writing
    else await Promise.race([this.#network.sleep(plan.after), peer.closed])
    await this.#end(peer, plan, writing, report)
    await Promise.all([reading, writing])
    const ended = this.#broken.has(peer)
    peer.destroy()
    const code = await peer.closed
    if (code !== undefined) report.code = code
    if (code !== undefined || ended) report.sawEnd = false
  }

  /** Peers that were broken from here, whose streams end without the other side's doing. */
  readonly #broken = new WeakSet<Peer>()

  async #end(peer: Peer, { end }: Plan, writing: Promise<boolean>, report: PeerReport): Promise<void> {
    if (end === 'reset' || end === 'close') {
      this.#broken.add(peer)
      if (end === 'reset') peer.reset()
      else peer.destroy()
      return
    }
    if (end === 'stay') await Promise.race([this.#finished, peer.closed])
    if (!(await writing)) return
    await Promise.race([peer.end(), peer.closed])
    report.ended = true
    if (end !== 'fin, then reset') return
    if (this.#random.next() < 0.5) await this.#network.sleep(this.#random.below(4))
    this.#broken.add(peer)
    peer.reset()
  }

  /** @returns whether everything was sent */
  async #write(peer: Peer, { total, write }: Plan, writer: TagWriter, report: PeerReport): Promise<boolean> {
    const length = (): number => {
      if (write === 'bytes') return 1
      return write === 'whole' ? total : this.#random.scaled(1, 65_536)
    }
    try {
      while (writer.taken < total) {
        const chunk = writer.take(Math.min(length(), total - writer.taken))
        await peer.send(chunk)
        report.sent = writer.taken
      }
      return true
    } catch {
      return false
    }
  }

  async #read(peer: Peer, { read }: Plan, report: PeerReport): Promise<void> {
    const reader = new TagReader()
    const take = (length?: number): Promise<number> =>
      peer.receiveInto((chunk) => {
        const fault = reader.feed(chunk)
        if (fault !== undefined) report.fault ??= fault
        report.received += chunk.length
        if (reader.key !== undefined) report.from = reader.key
      }, length)
    const some = this.#random.scaled(1, 100_000)
    if (read === 'some' && (await take(some)) < some) {
      report.sawEnd = true
      return
    }
    if (read === 'none' || read === 'some') await Promise.race([this.#finished, peer.closed])
    while (read === 'slowly' && !this.#finishing) {
      if ((await take(10_000)) < 10_000) {
        report.sawEnd = true
        return
      }
      await Promise.race([this.#network.sleep(this.#random.below(10)), this.#finished])
    }
    await take()
    report.sawEnd = true
  }

  #plan(): Plan {
    const random = this.#random
    const write = (['bytes', 'chunks', 'whole'] as const)[random.below(3)]!
    const most = write === 'bytes' ? 200 : LONGEST
    const end = ENDS[random.below(ENDS.length)]!
    const cut = (end === 'reset' || end === 'close') && random.next() < 0.7
    return {
      total: random.next() < 0.2 ? 0 : random.scaled(1, most),
      write,
      read: READS[random.below(READS.length)]!,
      end,
      after: cut ? random.below(3) * random.below(10) : undefined,
    }
  }
}
