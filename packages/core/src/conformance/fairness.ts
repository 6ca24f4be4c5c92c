import assert from 'node:assert/strict'
import type { ConnectionId, SockManEvents } from '../sock-man'
import { pattern } from './bytes'
import type { Case } from './harness'
import type { Peer } from './peers'
import type { Trial, Watched } from './trial'

const KI = 1 << 10
/** Other load on the machine can only make an attempt worse: the best of so many counts. */
const ATTEMPTS = 3

/** C27, C43, C44: nobody lives at the expense of the others. Every measure is a ratio within one run. */
export const fairness: readonly Case[] = [
  {
    title: 'C27 a connect flood does not stall a running transfer',
    deadline: [30_000, 60_000],
    async run(trial) {
      let received = 0
      const watched = trial.open({
        onData: (_, { length }) => {
          received += length
        },
      })
      const listener = watched.man.listen(trial.network.address())
      const { peer } = await trial.into(watched, listener)
      const flood = forEver(peer, pattern(64 * KI))
      const rate = async (over: () => Promise<unknown>): Promise<number> => {
        const [before, begun] = [received, trial.network.now()]
        await over()
        return (received - before) / (trial.network.now() - begun)
      }
      const transfer = async (): Promise<void> => {
        const wanted = received + trial.bytes(16 << 20)
        await watched.log.until('some of the transfer', () => received >= wanted)
      }
      await transfer()
      await bestOf('of the rate without a flood', 0.1, async () => {
        const alone = await rate(transfer)
        const flooded = await rate(() => connects(trial, watched, `${listener.address}`))
        return flooded / alone
      })
      await flood.end()
    },
  },
  {
    title: 'C43 a flooding connection does not starve 99 others',
    deadline: [30_000, 60_000],
    async run(trial) {
      let flooder: ConnectionId | undefined
      const watched = trial.open({
        onData: (id, data) => {
          if (id !== flooder) watched.man.send(id, data)
        },
      })
      const { id, peer } = await trial.inbound(watched)
      flooder = id
      const others = await inbound(trial, watched, 99)
      const p99 = async (): Promise<number> => {
        const times: number[] = []
        for (let round = 0; round < trial.size(8, 20); round++) {
          await Promise.all(
            others.map(async (other) => {
              const begun = trial.network.now()
              await other.send(Buffer.from('ping'))
              await other.receive(4)
              times.push(trial.network.now() - begun)
            }),
          )
        }
        return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)]!
      }
      await p99()
      await bestOf('of the p99 under the flood', 0.1, async () => {
        const unloaded = await p99()
        const before = watched.log.life(id).receivedBytes
        const flood = forEver(peer, pattern(64 * KI))
        const loaded = await p99()
        await flood.pause()
        assert.ok(watched.log.life(id).receivedBytes > before, 'there was no flood')
        return unloaded / loaded
      })
    },
  },
  {
    title: 'C44 of 200 busy connections the most and the least served differ by less than 2x',
    deadline: [30_000, 120_000],
    async run(trial) {
      const served = new Map<ConnectionId, number>()
      let received = 0
      const events: SockManEvents = {
        onData: (id, { length }) => {
          received += length
          served.set(id, (served.get(id) ?? 0) + length)
        },
      }
      // Small blocks, so that each takes many turns: nothing is known of the fairness within one.
      const watched = trial.open(events, { receiveBlock: 16 * KI, receiveWindow: 16 * KI })
      const { man, log } = watched
      const peers = await inbound(trial, watched, 200)
      const ids = log.accepted
      const data = pattern(512 * KI)
      await bestOf('of the most served has the least served', 0.5, async () => {
        served.clear()
        // All is there before any is read, so that the turns are the SockMan's and not the peers'.
        for (const id of ids) man.pause(id)
        const all = received + data.length * ids.length
        const half = (received + all) / 2
        const sent = peers.map((peer) => peer.send(data))
        for (const id of ids) man.resume(id)
        await log.until('half of it', () => received >= half)
        const counts = ids.map((id) => served.get(id) ?? 0)
        await log.until('all of it', () => received >= all)
        await Promise.all(sent)
        return Math.min(...counts) / Math.max(...counts)
      })
    },
  },
]

/** Asserts that a ratio is above `least` in one of several attempts. */
async function bestOf(what: string, least: number, attempt: () => Promise<number>): Promise<void> {
  const ratios: number[] = []
  while (ratios.length < ATTEMPTS) {
    ratios.push(await attempt())
    if (ratios.at(-1)! > least) return
  }
  assert.fail(`${ratios.map((ratio) => ratio.toFixed(3)).join(', ')} ${what}, not above ${least}`)
}

async function inbound(trial: Trial, watched: Watched, count: number): Promise<Peer[]> {
  const listener = watched.man.listen(trial.network.address())
  const peers: Peer[] = []
  while (peers.length < count) peers.push((await trial.into(watched, listener)).peer)
  return peers
}

/** Connections that come and go, ten at a time. */
async function connects(trial: Trial, { log }: Watched, address: string): Promise<void> {
  for (let round = 0; round < trial.size(20, 100); round++) {
    const count = log.accepted.length + 10
    const peers = await Promise.all(Array.from({ length: 10 }, () => trial.network.connect(address)))
    await log.until('ten connections to be accepted', () => log.accepted.length >= count)
    for (const peer of peers) peer.destroy()
  }
}

interface Flood {
  /** Stops it; what was sent may still be on its way. */
  pause(): Promise<void>
  /** Ends the connection with it. */
  end(): Promise<void>
}

/** The peer sends that chunk, as fast as it is taken, until it is told to stop. */
function forEver(peer: Peer, chunk: Uint8Array): Flood {
  let over = false
  const chunks = (function* () {
    while (!over) yield chunk
  })()
  const sending = peer.sendEach(chunks).catch(() => {})
  const pause = (): Promise<void> => {
    over = true
    return sending
  }
  const end = (): Promise<void> => {
    over = true
    peer.destroy()
    return sending
  }
  return { pause, end }
}
