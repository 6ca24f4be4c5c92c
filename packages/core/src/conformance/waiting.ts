import assert from 'node:assert/strict'
import { assertBytes, pattern, random } from './bytes'
import { type Case, needsProcess } from './harness'
import { assertFast, median, Stopwatch, type Taken, timed } from './limit'
import { assertQuiet } from './measure'
import type { Peer } from './peers'
import { nextTurn, type Pair, type Watched } from './trial'

/** C8, C34–C38, C40, C41: waiting without spinning, and waking at once. */
export const waiting: readonly Case[] = [
  {
    title: 'C8 an idle SockMan costs no CPU, with 0 and with 500 connections',
    skip: needsProcess,
    deadline: [30_000, 60_000],
    async run(trial) {
      const many = Math.min(500, Math.floor((trial.supports.descriptorLimit ?? 4096) / 4))
      // Side by side: each measures the CPU of its own process.
      await Promise.all(
        [0, many].map(async (connections) => {
          const child = trial.child('idle', `${connections}`)
          const cpu = Number(await child.line())
          assert.ok(cpu < 5, `${cpu} ms of CPU in 1 s with ${connections} connections`)
          assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
        }),
      )
    },
  },
  {
    title: 'C34 a writable socket with nothing to send does not wake the loop',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      await trial.outbound(watched)
      await assertQuiet(trial, man, 400)
      // Nor after a queue that had to wait for room.
      const data = pattern(trial.bytes(8 << 20))
      assert.equal(man.send(id, data), false)
      assertBytes(await peer.receive(data.length), data)
      await log.event(id, 'readyToSend')
      await assertQuiet(trial, man, 400)
    },
  },
  {
    title: 'C35 an end of stream that the owner leaves open does not spin',
    async run(trial) {
      const watched = trial.open()
      const { id, peer } = await trial.inbound(watched)
      await peer.end()
      await watched.log.event(id, 'eof')
      await assertQuiet(trial, watched.man, trial.size(600, 5000))
      assert.deepEqual(watched.log.life(id).events, ['accepted', 'eof'])
    },
  },
  {
    title:
      'C36 a reset on a paused connection does not spin, and is reported as supports.resetWhilePaused says',
    async run(trial) {
      const control = async (): Promise<number> => {
        const [[near, far]] = (await trial.peers()) as [[Peer, Peer]]
        const { took } = await timed(trial.network, () => {
          far.reset()
          return Promise.all([near.receiveInto(() => {}), near.closed])
        })
        return took
      }
      await assertFast(trial.network, { promised: 100, attempts: 3, control }, async () => {
        const watched = trial.open()
        const { man, log } = watched
        const { id, peer } = await trial.inbound(watched)
        man.pause(id)
        await peer.send(pattern(1000))
        await nextTurn()
        const held = man.connectionStats(id).heldBytes
        const watch = new Stopwatch(trial.network)
        peer.reset()
        if (!trial.supports.resetWhilePaused) {
          await assertQuiet(trial, man, 400)
          assert.deepEqual(log.life(id).events, ['accepted'])
          man.resume(id)
        }
        const { error } = await log.event(id, 'error')
        // Where it is told after `resume` nothing is promised.
        const taken = trial.supports.resetWhilePaused ? watch.read() : { took: 0, waited: 0 }
        assert.equal(error?.code, 'ECONNRESET')
        if (trial.supports.resetWhilePaused) {
          const dropped = error!.undeliveredBytes ?? 0
          assert.ok(dropped >= held && dropped <= 1000, `${dropped} undelivered, ${held} were held`)
          assert.deepEqual(log.life(id).events, ['accepted', 'error'])
        }
        await assertQuiet(trial, man, 400)
        return taken
      })
    },
  },
  {
    title:
      "C37 a peer's close on a paused connection does not spin, and is reported after resume, after the data",
    async run(trial) {
      const pausedBehind = async (shutdown: boolean): Promise<Watched & Pair> => {
        const watched = trial.open()
        const { id, peer } = await trial.inbound(watched)
        watched.man.pause(id)
        if (shutdown) {
          watched.man.shutdown(id)
          await peer.receiveInto(() => {})
        }
        await peer.send(pattern(1000))
        await peer.end()
        return { ...watched, id, peer }
      }
      // Both are quiet in the same time: what either does is seen in it.
      const both = [await pausedBehind(false), await pausedBehind(true)]
      const men = both.map(({ man }) => man)
      await assertQuiet(trial, men, 300)
      for (const { man, log, id } of both) {
        assert.deepEqual(log.life(id).events, ['accepted'])
        man.resume(id)
        await log.event(id, 'eof')
        assert.deepEqual(log.life(id).events, ['accepted', 'data', 'eof'])
        assertBytes(log.bytes(id), pattern(1000))
      }
      await assertQuiet(trial, men, 300)
    },
  },
  {
    title: 'C38 signals lose nothing and delay nothing',
    skip: needsProcess,
    async run(trial) {
      const child = trial.child('signals')
      assert.equal(await child.line(), 'echoed 4194304, signals seen')
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
  {
    title: 'C40 what JavaScript asks for reaches the kernel at once, with the loop asleep: median under 1 ms',
    deadline: [30_000, 60_000],
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const server = await trial.network.listen()
      const [[near, far]] = (await trial.peers()) as [[Peer, Peer]]
      const clocked = (act: () => Promise<unknown>): Promise<Taken> => timed(trial.network, act)
      const byte = Buffer.from('x')
      const connects = async (address: string): Promise<Taken> => {
        let peer!: Peer
        const taken = await clocked(async () => {
          peer = await trial.network.connect(address)
        })
        peer.destroy()
        return taken
      }
      /** What is asked of the SockMan, and of a peer. */
      const acts: Record<string, readonly [act: () => Promise<Taken>, control: () => Promise<Taken>]> = {
        send: [
          () => clocked(() => Promise.all([peer.receive(1), man.send(id, byte)])),
          () => clocked(() => Promise.all([far.receive(1), near.send(byte)])),
        ],
        resume: [
          async () => {
            man.pause(id)
            await peer.send(byte)
            await nextTurn()
            const count = log.life(id).receivedBytes + 1
            return clocked(() => Promise.all([log.receive(id, count), man.resume(id)]))
          },
          async () => {
            await near.send(byte)
            await nextTurn()
            return clocked(() => far.receive(1))
          },
        ],
        connect: [
          () => clocked(() => Promise.all([server.accept(), man.connect(server.address)])),
          () => clocked(() => Promise.all([server.accept(), trial.network.connect(server.address)])),
        ],
        listen: [
          async () => {
            const listener = man.listen(trial.network.address())
            const taken = await connects(`${listener.address}`)
            listener.close()
            return taken
          },
          async () => {
            const listener = await trial.network.listen()
            const taken = await connects(listener.address)
            ;(await listener.accept()).destroy()
            await listener.close()
            return taken
          },
        ],
        close: [
          async () => {
            const { id: closing, peer: left } = await trial.outbound(watched)
            return clocked(() => Promise.all([left.receiveInto(() => {}), man.close(closing)]))
          },
          async () => {
            const [[closing, left]] = (await trial.peers()) as [[Peer, Peer]]
            return clocked(() => Promise.all([left.receiveInto(() => {}), closing.destroy()]))
          },
        ],
      }
      for (const [name, [act, peersAct]] of Object.entries(acts)) {
        const control = async (): Promise<number> => (await median(21, peersAct)).took
        const limit = { promised: 1, attempts: 5, control }
        await assertFast(trial.network, limit, () => median(21, act)).catch((error) => {
          throw new Error(`${name}: ${error.message}`)
        })
      }
    },
  },
  {
    title: 'C41 none of many posts, racing with a sleeping and waking loop, is lost',
    deadline: [30_000, 600_000],
    async run(trial) {
      const watched = trial.open({ onData: () => {} })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const next = random(41)
      const byte = Buffer.from('x')
      const posts = trial.size(50_000, 1_000_000)
      for (let posted = 0, rounds = 1; posted < posts; rounds++) {
        // A lost resume leaves the byte undelivered, and the case waits for it until its deadline.
        for (let pairs = 1 + (next() % 20); pairs > 0; pairs--, posted += 2) {
          man.pause(id)
          man.resume(id)
        }
        for (let turns = next() % 3; turns > 0; turns--) await nextTurn()
        await Promise.all([
          peer.send(byte),
          log.until(`byte ${rounds}`, () => log.life(id).receivedBytes === rounds),
        ])
      }
    },
  },
]
