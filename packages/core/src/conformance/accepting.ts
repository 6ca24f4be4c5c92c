import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { ConnectionId } from '../sock-man'
import { type Case, needsDescriptors } from './harness'
import { assertFast, Stopwatch, timed } from './limit'
import { assertQuiet } from './measure'
import { nextTurn, openDescriptors } from './trial'

/** C19, C23–C26: connections that come in. */
export const accepting: readonly Case[] = [
  {
    title: 'C19 a queue of 100 pending connections is drained without waiting between them',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      // With a wait of even 10 ms between them it would take a second.
      const connects = (address: string) => Array.from({ length: 100 }, () => trial.network.connect(address))
      const control = async (): Promise<number> => {
        const server = await trial.network.listen()
        const accepts = connects(server.address).map((peer) => Promise.all([peer, server.accept()]))
        const { took } = await timed(trial.network, () => Promise.all(accepts))
        for (const peer of (await Promise.all(accepts)).flat()) peer.destroy()
        await server.close()
        return took
      }
      await assertFast(trial.network, { promised: 500, attempts: 3, control }, async () => {
        const count = log.accepted.length + 100
        const watch = new Stopwatch(trial.network)
        const peers = connects(`${listener.address}`)
        await log.until('100 connections', () => log.accepted.length >= count)
        const taken = watch.read()
        await Promise.all(peers)
        return taken
      })
    },
  },
  {
    title: 'C23 sockets are non-blocking and close-on-exec',
    skip: needsDescriptors,
    async run(trial) {
      const watched = trial.open()
      const before = openDescriptors()
      await trial.inbound(watched)
      await trial.outbound(watched)
      const sockets = [...openDescriptors()].filter((it) => !before.has(it) && it.includes('socket:'))
      assert.ok(sockets.length >= 4, `${sockets}`)
      for (const socket of sockets) {
        const info = readFileSync(`/proc/self/fdinfo/${Number.parseInt(socket, 10)}`, 'utf8')
        const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)![1]!, 8)
        assert.equal(flags & 0o2000000, 0o2000000, `${socket} lacks O_CLOEXEC`)
        assert.equal(flags & 0o4000, 0o4000, `${socket} lacks O_NONBLOCK`)
      }
    },
  },
  {
    title: 'C24 false from onAccepted closes the connection: nothing further, its bytes unread',
    async run(trial) {
      const refused: ConnectionId[] = []
      const watched = trial.open({
        onAccepted: (id) => {
          refused.push(id)
          return false
        },
      })
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      const peer = await trial.network.connect(listener.address.toString())
      // The refusal may have reset it already.
      await peer.send(Buffer.from('not for you')).catch(() => {})
      await peer.receiveInto(() => {})
      await log.until('the refusal', () => refused.length === 1)
      assert.equal(man.close(refused[0]!), false)
      // By the time the next has come, whatever followed the first has too.
      await trial.network.connect(listener.address.toString())
      await log.until('the second refusal', () => refused.length === 2)
      assert.deepEqual(log.life(refused[0]!).events, ['accepted'])
      assert.ok(man.stats().connections <= 1, `${man.stats().connections} connections`)
      if (trial.supports.acceptFilterBeforeRead) assert.equal(man.stats().bytesReceived, 0)
    },
  },
  {
    title: 'C24 false from an onAccepted that has closed the connection itself: nothing further',
    async run(trial) {
      const watched = trial.open({
        onAccepted: (id) => {
          man.send(id, Buffer.from('go'))
          assert.equal(man.close(id), true)
          return log.accepted.length > 1
        },
      })
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      await trial.network.connect(listener.address.toString())
      await log.until('the refusal', () => log.accepted.length === 1)
      await trial.network.connect(listener.address.toString())
      await log.until('the end of the second', () => log.closed.length === 1)
      assert.deepEqual(log.life(log.accepted[0]!).events, ['accepted'])
      assert.equal(man.stats().connections, 0)
    },
  },
  {
    title: 'C25 the owner may send, pause and close inside onAccepted',
    async run(trial) {
      const watched = trial.open({
        onAccepted: (id) => {
          man.send(id, Buffer.from('hello'))
          if (log.accepted.length === 1) man.pause(id)
          else man.close(id)
        },
      })
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      const { id, peer } = await trial.into(watched, listener)
      await peer.send(Buffer.from('held'))
      assert.equal((await peer.receive(5)).toString(), 'hello')
      assert.deepEqual(log.life(id).events, ['accepted'])
      man.resume(id)
      assert.equal((await log.receive(id, 4)).toString(), 'held')
      const closed = await trial.into(watched, listener)
      assert.equal((await closed.peer.receive(5)).toString(), 'hello')
      await closed.peer.receiveInto(() => {})
      await log.event(closed.id, 'closed')
      assert.deepEqual(log.life(closed.id).events, ['accepted', 'closed'])
    },
  },
  {
    title: 'C26 beyond maxConnections the kernel queue holds the rest, without a busy loop',
    async run(trial) {
      const watched = trial.open({}, { maxConnections: 2 })
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      const first = await trial.into(watched, listener)
      await trial.into(watched, listener)
      const waiting = await trial.network.connect(listener.address.toString())
      await waiting.send(Buffer.from('patience'))
      await assertQuiet(trial, man, 300)
      assert.equal(log.accepted.length, 2)
      man.close(first.id)
      await log.until('the third connection', () => log.accepted.length === 3)
      assert.equal((await log.receive(log.accepted[2]!, 8)).toString(), 'patience')
    },
  },
  {
    title:
      'C26 maxConnections holds for all listeners together, with what was connected and adopted counted in',
    async run(trial) {
      const live = new Set<ConnectionId>()
      let most = 0
      const watched = trial.open(
        {
          onAccepted: (id) => {
            live.add(id)
            most = Math.max(most, live.size, man.stats().connections)
          },
          onClosed: (id) => void live.delete(id),
        },
        { maxConnections: 2 },
      )
      const { man, log } = watched
      const clients = trial.open()
      const server = await trial.network.listen()
      const listeners = Array.from({ length: 4 }, () => man.listen(trial.network.address()))
      await nextTurn()
      for (let round = 0; round < 3; round++) {
        const before = log.accepted.length
        // All of it in one turn, while every listener has a connection to accept.
        const ids = listeners.map(({ address }) => clients.man.connect(address))
        const own = man.connect(server.address)
        live.add(own)
        for (const id of ids) clients.man.send(id, Buffer.from('patience'))
        for (let served = 0; served < ids.length; served++) {
          await log.until('the next to be accepted', () => log.accepted.length > before + served)
          const id = log.accepted[before + served]!
          assert.equal((await log.receive(id, 8)).toString(), 'patience')
          man.close(id)
          if (served === 0) man.close(own)
        }
        await log.until('all to be closed', () => live.size === 0)
      }
      assert.equal(most, 2)
      assert.equal(man.stats().accepted, 12)
    },
  },
  {
    title: 'C26 what was accepted of a listener that closes in the same batch is told at once or ends',
    async run(trial) {
      const watched = trial.open(
        {
          onAccepted: (_, _me, _them, own) => {
            if (log.accepted.length > 1) return
            man.connect(server.address)
            for (const listener of listeners) if (listener !== own) listener.close()
          },
        },
        { maxConnections: 2 },
      )
      const { man, log } = watched
      const clients = trial.open()
      const server = await trial.network.listen()
      const listeners = [man.listen(trial.network.address()), man.listen(trial.network.address())]
      const ids = listeners.map(({ address }) => clients.man.connect(address))
      await clients.log.until('one of them to end', () =>
        ids.some((id) => ['eof', 'error', 'connectFailed'].some((event) => clients.log.had(id, event))),
      )
      assert.equal(log.accepted.length, 1)
    },
  },
  {
    title: 'C26 a listener that closes ends what waits for a place',
    async run(trial) {
      const watched = trial.open({}, { maxConnections: 1 })
      const { man, log } = watched
      const listeners = Array.from({ length: 4 }, () => man.listen(trial.network.address()))
      const peers = await Promise.all(listeners.map(({ address }) => trial.network.connect(`${address}`)))
      await log.until('the first connection', () => log.accepted.length === 1)
      for (const listener of listeners) listener.close()
      // All but the first are at their end before the first is closed.
      let [ended, waitedEnded] = [0, (): void => {}]
      const waited = new Promise<void>((resolve) => {
        waitedEnded = resolve
      })
      const ends = peers.map(async (peer) => {
        await peer.receiveInto(() => {})
        if (++ended === 3) waitedEnded()
      })
      await waited
      man.close(log.accepted[0]!)
      await Promise.all(ends)
      assert.equal(log.accepted.length, 1)
    },
  },
]
