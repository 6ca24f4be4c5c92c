import assert from 'node:assert/strict'
import type { Case } from './harness'
import type { Pair } from './trial'

/** Long enough that a byte on its way comes in time, and the case takes seconds at the most. */
const IDLE = 60

/** The program does something else for so long. */
function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** C91: connections on which nothing moves. */
export const idling: readonly Case[] = [
  {
    title: 'C91 onIdle after idleTimeout without a byte, again after each further such time, not before',
    async run(trial) {
      const { network } = trial
      const told: number[] = []
      const watched = trial.open({ onIdle: () => void told.push(network.now()) })
      const { log } = watched
      const begun = network.now()
      const { id } = await trial.inbound(watched, undefined, { idleTimeout: IDLE })
      const other = await trial.inbound(watched)
      await log.until('it to be told three times', () => told.length >= 3)
      // The clock of the engine and that of the case are read at different moments: a ms is allowed. One may be told late,
      // so that the next seems early.
      for (const [n, at] of told.entries())
        assert.ok(at - begun >= (n + 1) * IDLE - 1, `number ${n} after ${at - begun} ms`)
      assert.deepEqual(log.life(id).events.slice(0, 4), ['accepted', 'idle', 'idle', 'idle'])
      assert.equal(log.had(other.id, 'idle'), false)
    },
  },
  {
    title: 'C91 bytes of either direction begin the time anew',
    async run(trial) {
      const { network } = trial
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, { idleTimeout: 4 * IDLE })
      const moved: number[] = []
      for (let n = 0; n < 6; n++) {
        await network.sleep(IDLE)
        moved.push(network.now())
        if (n % 2 === 0) {
          await peer.send(Buffer.from('x'))
          await log.receive(id, n / 2 + 1)
        } else {
          man.send(id, 'y')
          await peer.receive(1)
        }
      }
      const gaps = moved.slice(1).map((at, n) => at - moved[n]!)
      // Where this machine stood still for so long, it was right to tell.
      assert.ok(!log.had(id, 'idle') || Math.max(...gaps) >= 4 * IDLE, `gaps of ${gaps} ms`)
      const last = moved.at(-1)!
      await log.event(id, 'idle')
      assert.ok(network.now() - last >= 4 * IDLE - 1)
    },
  },
  {
    title: 'C91 without onIdle SockMan closes the connection, and no other',
    async run(trial) {
      const watched = trial.open({}, {}, ['onIdle'])
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, { idleTimeout: IDLE })
      const other = await trial.inbound(watched)
      await log.event(id, 'closed')
      assert.equal(await peer.receiveInto(() => {}), 0)
      assert.deepEqual(man.connections(), [other.id])
    },
  },
  {
    title: 'C91 of a connect from when it is connected, of an adopted socket from then on, and by setOptions',
    async run(trial) {
      const { network } = trial
      const watched = trial.open()
      const { man, log } = watched
      const silent = man.connect(await network.silent(), { idleTimeout: 1, timeout: 2 * IDLE })
      await log.event(silent, 'connectFailed')
      assert.deepEqual(log.life(silent).events, ['connectFailed'])
      const out = await trial.outbound(watched, undefined, { idleTimeout: IDLE })
      await log.event(out.id, 'idle')
      const later = await trial.inbound(watched)
      assert.equal(man.setOptions(later.id, { idleTimeout: IDLE }), true)
      await log.event(later.id, 'idle')
      // Off again.
      man.setOptions(later.id, { idleTimeout: 0 })
      man.setOptions(out.id, { idleTimeout: 1 })
      const before = log.life(later.id).events.length
      const many = log.life(out.id).events.length + 3
      await log.until('another to be told', () => log.life(out.id).events.length >= many)
      assert.equal(log.life(later.id).events.length, before)
      if (!network.adoptable) return
      const { sock } = await network.adoptable()
      const adopted = man.adopt(sock, { idleTimeout: IDLE })
      await log.event(adopted, 'idle')
    },
  },
  {
    title: 'C91 what this side leaves in the kernel is no silence; once it is taken, the time runs',
    async run(trial) {
      const { network } = trial
      const watched = trial.open({}, { receiveWindow: 4096 })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, { idleTimeout: IDLE })
      man.pause(id)
      const size = trial.bytes(200_000)
      const sent = peer.send(Buffer.alloc(size))
      await network.sleep(4 * IDLE)
      assert.equal(log.had(id, 'idle'), false)
      man.resume(id)
      await sent
      await log.receive(id, size)
      await log.event(id, 'idle')
    },
  },
  {
    title: 'C91 from inside of its handler: send, close, change, stop; never after an end',
    async run(trial) {
      let told = 0
      const watched = trial.open({
        onIdle: (id) => {
          told++
          if (told === 1) man.send(id, 'are you there?')
          if (told === 2) man.setOptions(id, { idleTimeout: 1 })
          if (told === 3) man.close(id)
        },
      })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, { idleTimeout: IDLE })
      await peer.receive(14)
      await log.event(id, 'closed')
      assert.equal(told, 3)

      const broken = await trial.inbound(watched, undefined, { idleTimeout: IDLE })
      broken.peer.reset()
      await log.event(broken.id, 'error')
      const flushed = await trial.inbound(watched, undefined, { idleTimeout: 1 })
      trial.fillUp(man, flushed.id, Buffer.alloc(1 << 20))
      man.close(flushed.id, { flush: true, timeout: 2 * IDLE })
      await log.event(flushed.id, 'closed')
      assert.equal(log.had(broken.id, 'idle'), false)

      const stopping = trial.open({ onIdle: () => void stopping.man.stop() })
      const both = [await trial.inbound(stopping), await trial.inbound(stopping)]
      // Not before both are there: the first to be told stops all.
      for (const { id } of both) stopping.man.setOptions(id, { idleTimeout: 1 })
      await stopping.log.until('both to be closed', () => stopping.log.closed.length === 2)
    },
  },
  {
    title: 'C91 a paused connection with nothing to take is idle; one that its own rate holds back is not',
    async run(trial) {
      const { network } = trial
      const watched = trial.open()
      const { man, log } = watched
      const paused = await trial.inbound(watched, undefined, { idleTimeout: IDLE })
      man.pause(paused.id)
      await log.event(paused.id, 'idle')
      const slow = await trial.inbound(watched, undefined, { sendRate: 1, idleTimeout: IDLE })
      man.send(slow.id, Buffer.alloc(100))
      await slow.peer.receive(1)
      await network.sleep(4 * IDLE)
      assert.equal(log.had(slow.id, 'idle'), false)
    },
  },
  {
    title:
      'C91 a program that comes late: what has come meanwhile is no silence, and nothing is told many times',
    async run(trial) {
      const { network } = trial
      // More than an engine reads in one pass, where it can watch so many and their peers' descriptors.
      const count = trial.supports.descriptorLimit === null ? 600 : 200
      const timeout = 400
      const watched = trial.open()
      const { man, log } = watched
      const listener = man.listen(network.address())
      const pairs: Pair[] = []
      while (pairs.length < count) pairs.push(await trial.into(watched, listener))
      const begun = network.now()
      for (const { id } of pairs) man.setOptions(id, { idleTimeout: timeout })
      await network.sleep(timeout * 0.7)
      const sent = pairs.map(({ peer }) => peer.send(Buffer.from('x')))
      const waited = network.now() - begun
      block(timeout * 0.5)
      await Promise.all(sent)
      for (const { id } of pairs) await log.receive(id, 1)
      // Where this machine stood still, it was right to tell.
      const right = waited < timeout
      if (right) assert.equal(pairs.filter(({ id }) => log.had(id, 'idle')).length, 0)

      const [{ id }] = pairs as [Pair]
      const told = (): number => log.life(id).events.filter((event) => event === 'idle').length
      man.setOptions(id, { idleTimeout: 50 })
      await log.event(id, 'idle')
      const before = told()
      block(400)
      await network.sleep(0)
      assert.ok(told() - before <= 3, `told ${told() - before} times at once`)
    },
  },
]
