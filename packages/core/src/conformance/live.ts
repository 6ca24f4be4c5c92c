import assert from 'node:assert/strict'
import type { SockManEvents } from '../sock-man'
import type { Case } from './harness'
import { throwsCode } from './trial'

/** What can be asked of a connection that is there. */
export const live: readonly Case[] = [
  {
    title: 'C78 setEvents: from the next event on other handlers, then those of the SockMan again',
    async run(trial) {
      const list: string[] = []
      const noting = (name: string): SockManEvents => ({
        onConnected: () => void list.push(`${name} connected`),
        onData: (_id, data) => void list.push(`${name} ${data}`),
        onEof: () => void list.push(`${name} eof`),
        onClosed: () => void list.push(`${name} closed`),
      })
      const watched = trial.open(noting('own'))
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const says = async (text: string, note: string): Promise<void> => {
        await peer.send(Buffer.from(text))
        await log.until(note, () => list.at(-1) === note)
      }
      // From outside, and from inside of a handler.
      const first = log.handlers({
        ...noting('first'),
        onData: (_id, data) => {
          list.push(`first ${data}`)
          man.setEvents(id, log.handlers(noting('second')))
        },
      })
      assert.equal(man.setEvents(id, first), true)
      await says('a', 'first a')
      await says('b', 'second b')
      man.pause(id)
      const third = says('c', 'third c')
      man.setEvents(id, log.handlers(noting('third')))
      man.resume(id)
      await third
      assert.equal(man.setEvents(id), true)
      await says('d', 'own d')
      await peer.end()
      await log.event(id, 'eof')
      man.close(id)
      assert.equal(man.setEvents(id, first), false)
      await log.event(id, 'closed')
      assert.deepEqual(list, ['first a', 'second b', 'third c', 'own d', 'own eof', 'own closed'])
      assert.equal(man.setEvents(id, first), false)

      const server = await trial.network.listen()
      const connecting = man.connect(server.address)
      man.setEvents(connecting, log.handlers(noting('early')))
      await log.event(connecting, 'connected')
      assert.equal(list.at(-1), 'early connected')
    },
  },
  {
    title: 'C86 setOptions of a connection: open, connecting, paused, failed, closed',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const all = {
        noDelay: false,
        keepAlive: 60_000,
        keepAliveInterval: 2000,
        keepAliveCount: 3,
        userTimeout: 5000,
      }
      const { id, peer } = await trial.outbound(watched)
      assert.equal(man.setOptions(id, all), true)
      assert.equal(man.setOptions(id, { keepAlive: 0, noDelay: true, userTimeout: 0 }), true)
      assert.equal(man.setOptions(id, {}), true)
      man.pause(id)
      assert.equal(man.setOptions(id, all), true)
      man.resume(id)
      throwsCode('ERR_UNKNOWN_OPTION', () => man.setOptions(id, { nodelay: true } as object))
      peer.reset()
      await log.event(id, 'error')
      assert.equal(man.setOptions(id, all), true)
      man.close(id)
      assert.equal(man.setOptions(id, all), false)

      const server = await trial.network.listen()
      const connecting = man.connect(server.address)
      assert.equal(man.setOptions(connecting, all), true)
      assert.equal(man.setOptions(connecting, { noDelay: true }), true)
      await log.event(connecting, 'connected')
      const failing = man.connect(await trial.network.refusing())
      assert.equal(man.setOptions(failing, all), true)
      await log.event(failing, 'connectFailed')
      assert.equal(man.setOptions(failing, all), false)
      if (!trial.supports.unixSockets) return
      const unix = await trial.outbound(watched, 'unix')
      assert.equal(man.setOptions(unix.id, all), true)
    },
  },
  {
    title: 'C87 connections() are the ids that calls find; addresses(id) are both ends',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      assert.deepEqual(man.connections(), [])
      const { id, peer } = await trial.inbound(watched)
      const out = await trial.outbound(watched)
      const silent = await trial.network.silent()
      const connecting = man.connect(silent)
      const sorted = (): number[] => man.connections().sort((a, b) => a - b)
      assert.deepEqual(
        sorted(),
        [id, out.id, connecting].sort((a, b) => a - b),
      )
      for (const each of [id, out.id]) {
        const { me, them } = log.life(each)
        const told = man.addresses(each)
        assert.deepEqual([`${told.me}`, `${told.them}`], [`${me}`, `${them}`])
      }
      assert.equal(man.addresses(connecting).me, undefined)
      assert.equal(`${man.addresses(connecting).them}`, silent)
      // One that has failed is still there, and what it was connected to.
      peer.reset()
      await log.event(id, 'error')
      assert.equal(`${man.addresses(id).them}`, peer.local)
      assert.ok(man.connections().includes(id))
      for (const each of man.connections()) {
        man.close(each)
        assert.throws(() => man.addresses(each), { code: 'ERR_UNKNOWN_CONNECTION' })
      }
      assert.deepEqual(man.connections(), [])
      await man.stop()
      assert.deepEqual(man.connections(), [])
    },
  },
]
