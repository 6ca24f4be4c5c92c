import assert from 'node:assert/strict'
import { type Case, needsProcess } from './harness'
import { throwsCode } from './trial'

/** C88: stop with a flush. */
export const draining: readonly Case[] = [
  {
    title: 'C88 stop with flush: what is queued arrives, listeners close at once, nothing new begins',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const size = 2 * trial.network.capacity
      const pairs = [
        await trial.inbound(watched),
        await trial.outbound(watched),
        await trial.inbound(watched),
      ]
      for (const { id } of pairs) man.send(id, Buffer.alloc(size))
      const idle = await trial.inbound(watched)
      man.pause(idle.id)
      const { address } = man.listen(trial.network.address())
      const stopped = man.stop({ flush: true })
      const again = man.stop({ flush: true })
      throwsCode('ERR_STOPPED', () => man.listen(trial.network.address()))
      throwsCode('ERR_STOPPED', () => man.connect(address))
      throwsCode('ERR_STOPPED', () => man.send(idle.id, 'x'))
      assert.deepEqual(man.connections(), [])
      await assert.rejects(trial.network.connect(`${address}`).then((peer) => peer.receive(1)))
      const received = await Promise.all(
        [...pairs, idle].map(async ({ peer }) => {
          const length = await peer.receiveInto(() => {})
          await peer.end()
          return length
        }),
      )
      assert.deepEqual(received, [size, size, size, 0])
      await Promise.all([stopped, again])
      for (const { id } of [...pairs, idle]) assert.equal(log.life(id).unsent, 0)
    },
  },
  {
    title:
      'C88 stop with flush: its bound, and another stop, end it; with nothing to wait for it is over at once',
    async run(trial) {
      for (const how of ['bound', 'stop']) {
        const watched = trial.open()
        const { man, log } = watched
        const { id, peer } = await trial.inbound(watched)
        const size = trial.fillUp(man, id, Buffer.alloc(1 << 20))
        const began = trial.network.now()
        const stopped = man.stop({ flush: true, timeout: how === 'bound' ? 200 : 60_000 })
        if (how === 'stop') await man.stop()
        await stopped
        const took = trial.network.now() - began
        if (how === 'bound') assert.ok(took >= 199, `it was over after ${took} ms`)
        assert.ok(took < 30_000, `it was over after ${took} ms`)
        const { unsent } = log.life(id)
        assert.ok(unsent! > 0 && unsent! < size, `${unsent} unsent`)
        peer.destroy()
      }
      const { man } = trial.open()
      await man.stop({ flush: true, timeout: 60_000 })
      const listening = trial.open()
      listening.man.listen(trial.network.address())
      await listening.man.stop({ flush: true, timeout: 60_000 })
    },
  },
  {
    title: 'C88 a stop() in code of the caller’s that a stop with flush runs ends that at once',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      trial.fillUp(man, id, Buffer.alloc(1 << 20))
      const signal = Object.create(AbortSignal.prototype, {
        aborted: { value: false },
        addEventListener: { value: () => {} },
        removeEventListener: { value: () => void man.stop() },
      })
      man.connect(await trial.network.silent(), { signal })
      const began = trial.network.now()
      await man.stop({ flush: true, timeout: 60_000 })
      assert.ok(trial.network.now() - began < 30_000)
      peer.destroy()
    },
  },
  {
    title: 'C9 stop() ends though a signal’s removeEventListener throws; the exception is an uncaught one',
    skip: needsProcess,
    async run(trial) {
      for (const how of ['stop', 'flush']) {
        const child = trial.child('signal-throws', how)
        assert.equal(await child.line(), '1 uncaught, stopped')
        assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
      }
    },
  },
  {
    title: 'C88 stop with flush, of connects under way and what has failed',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const server = await trial.network.listen()
      const sending = man.connect(server.address)
      man.send(sending, 'last words')
      const silent = man.connect(await trial.network.silent())
      const broken = await trial.inbound(watched)
      broken.peer.reset()
      await log.event(broken.id, 'error')
      const stopped = man.stop({ flush: true, timeout: 500 })
      const peer = await server.accept()
      assert.equal(`${await peer.receive(10)}`, 'last words')
      await peer.receiveInto(() => {})
      await peer.end()
      await stopped
      for (const id of [sending, silent, broken.id]) assert.equal(log.life(id).events.at(-1), 'closed')
    },
  },
]
