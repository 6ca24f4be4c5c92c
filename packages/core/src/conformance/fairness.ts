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
      const now = (): number => trial.network.now()
      let [received, last, longest] = [0, 0, 0]
      const watched = trial.open({
        onData: (_, { length }) => {
          received += length
          longest = Math.max(longest, now() - last)
          last = now()
        },
        onEof: (id) => void watched.man.close(id),
      })
      const listener = watched.man.listen(trial.network.address())
      const { peer } = await trial.into(watched, listener)
      const transfer = forEver(peer, pattern(64 * KI))
      const some = trial.bytes(16 << 20)
      await watched.log.until('some of the transfer', () => received >= some)
      await bestOf('of the flood is not the longest wait of the transfer', 0.5, async () => {
        const begun = now()
        ;[last, longest] = [begun, 0]
        await connects(trial, watched, `${listener.address}`)
        longest = Math.max(longest, now() - last)
        return 1 - longest / (now() - begun)
      })
      await transfer.end()
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
        const first = await p99()
        const before = watched.log.life(id).receivedBytes
        const flood = forEver(peer, pattern(64 * KI))
        const loaded = await p99()
        await flood.pause()
        assert.ok(watched.log.life(id).receivedBytes > before, 'there was no flood')
        return Math.max(first, await p99()) / loaded
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

/**
 * A hundred at a time come and go, one as soon as another has. Both ends share this process, so that the listener has
 * pauses: an engine that starves the others shows as a long wait, not as none at all.
 */
async function connects(trial: Trial, { log }: Watched, address: string): Promise<void> {
  const rounds = trial.size(10, 40)
  const count = log.accepted.length + 100 * rounds
  const comeAndGo = async (): Promise<void> => {
    for (let round = 0; round < rounds; round++) (await trial.network.connect(address)).destroy()
  }
  await Promise.all(Array.from({ length: 100 }, comeAndGo))
  await log.until('all connections to be accepted', () => log.accepted.length >= count)
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
