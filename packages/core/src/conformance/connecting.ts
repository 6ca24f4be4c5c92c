import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ConnectionId } from '../sock-man'
import { assertBytes, pattern } from './bytes'
import { type Case, needsDescriptors } from './harness'
import { assertFast, Stopwatch, timed } from './limit'
import type { Peer } from './peers'
import { nextTurn } from './trial'

/** C28–C33: connections that go out. */
export const connecting: readonly Case[] = [
  {
    title: 'C28 connect answers an id at once, its outcome follows, and what was sent before waits for it',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const server = await trial.network.listen()
      const id = man.connect(server.address)
      assert.deepEqual(log.life(id).events, [])
      const parts = [pattern(100, 1), pattern(200_000, 2), pattern(3, 3)]
      for (const part of parts) man.send(id, part)
      const peer = await server.accept()
      const expected = Buffer.concat(parts)
      assertBytes(await peer.receive(expected.length), expected)
      assert.equal(log.life(id).events[0], 'connected')
    },
  },
  {
    title: 'C28 close before connected: onClosed alone, with what was queued',
    async run(trial) {
      const { man, log } = trial.open()
      const id = man.connect(await trial.network.silent())
      man.send(id, Buffer.from('never'))
      assert.equal(man.close(id), true)
      assert.deepEqual(log.life(id).events, [])
      await log.event(id, 'closed')
      assert.deepEqual(log.life(id).events, ['closed'])
      assert.equal(log.life(id).unsent, 5)
    },
  },
  {
    title: 'C29 refused: ECONNREFUSED with the address',
    async run(trial) {
      const { man, log } = trial.open()
      const address = await trial.network.refusing()
      const id = man.connect(address)
      const { error, events } = await log.event(id, 'connectFailed')
      assert.deepEqual(events, ['connectFailed'])
      assert.deepEqual(
        { code: error?.code, syscall: error?.syscall },
        { code: 'ECONNREFUSED', syscall: 'connect' },
      )
      assert.ok(error!.errno! < 0)
      assert.ok(error!.message.includes(address), error!.message)
      assert.equal(`${error!.address}:${error!.port}`, address)
      assert.equal(man.close(id), false)
    },
  },
  {
    title: 'C29 a zone that names no interface: ENODEV, however large its number',
    skip: (facts) =>
      needsDescriptors(facts) ??
      (facts.network().families.includes('ipv6') ? undefined : 'this network has no IPv6'),
    async run(trial) {
      const { man } = trial.open()
      const { connections, listeners } = man.stats()
      // 4294967297 is the number of the first interface in 32 bits.
      for (const zone of ['none', '4294967296', '4294967297', '99999999999999']) {
        const address = `[fe80::1%${zone}]:1`
        const refused = { code: 'ENODEV' }
        assert.throws(() => man.connect(address), refused, zone)
        assert.throws(() => man.connect('[::1]:1', { localAddress: address }), refused, zone)
        assert.throws(() => man.listen(address), refused, zone)
      }
      assert.deepEqual([man.stats().connections, man.stats().listeners], [connections, listeners])
    },
  },
  {
    title: 'C29 unreachable: the kernel says which',
    skip: ({ network }) => (network().unreachable ? undefined : 'this network has no unreachable address'),
    async run(trial) {
      const { man, log } = trial.open()
      const { address, code } = trial.network.unreachable!
      const { error } = await log.event(man.connect(address), 'connectFailed')
      assert.equal(error?.code, code)
    },
  },
  {
    title: 'C29 a Unix path or name on which nobody listens',
    skip: ({ supports }) => (supports.unixSockets ? undefined : 'no Unix sockets here'),
    async run(trial) {
      const { man, log } = trial.open()
      const address = await trial.network.refusing('unix')
      const { error } = await log.event(man.connect(address), 'connectFailed')
      assert.deepEqual(
        { code: error?.code, address: error?.address },
        { code: 'ENOENT', address: address.slice(5) },
      )
      if (!trial.supports.abstractUnix) return
      const abstract = await log.event(man.connect(await trial.network.refusing('abstract')), 'connectFailed')
      assert.equal(abstract.error?.code, 'ECONNREFUSED')
    },
  },
  {
    title: 'C30 a timeout is ETIMEDOUT, an aborted signal ABORT_ERR, a close onClosed alone',
    async run(trial) {
      const { man, log } = trial.open()
      const address = await trial.network.silent()
      const watch = new Stopwatch(trial.network)
      const late = man.connect(address, { timeout: 200 })
      const controller = new AbortController()
      const aborted = man.connect(address, { signal: controller.signal })
      const before = man.connect(address, { signal: AbortSignal.abort() })
      const closed = man.connect(address)
      await nextTurn()
      assert.deepEqual(log.life(aborted).events, [])
      controller.abort()
      man.close(closed)
      assert.equal((await log.event(aborted, 'connectFailed')).error?.code, 'ABORT_ERR')
      assert.equal((await log.event(before, 'connectFailed')).error?.code, 'ABORT_ERR')
      assert.deepEqual((await log.event(closed, 'closed')).events, ['closed'])
      const { error } = await log.event(late, 'connectFailed')
      const taken = watch.read()
      assert.equal(error?.code, 'ETIMEDOUT')
      assert.ok(error!.message.includes(address), error!.message)
      assert.ok(taken.took >= 195, `after ${taken.took} ms`)
      await assertFast(trial.network, { promised: 1200 }, async () => taken)
      assert.equal(man.stats().connections, 0)
      // A signal that aborts after the end of its connect does nothing.
      const server = await trial.network.listen()
      const after = new AbortController()
      const id = man.connect(server.address, { signal: after.signal })
      await log.event(id, 'connected')
      after.abort()
      await nextTurn()
      assert.deepEqual(log.life(id).events, ['connected'])
    },
  },
  {
    title: 'C30 no call finds the id of an aborted connect, and its onConnectFailed comes all the same',
    async run(trial) {
      const { man, log } = trial.open()
      const silent = await trial.network.silent()
      const server = await trial.network.listen()
      const signals: [string, AbortSignal, (() => void)?][] = [[silent, AbortSignal.abort()]]
      for (const address of [silent, server.address]) {
        const controller = new AbortController()
        signals.push([address, controller.signal, () => controller.abort()])
      }
      for (const [address, signal, abort] of signals) {
        const id = man.connect(address, { signal })
        if (abort) {
          man.send(id, Buffer.from('queued'))
          man.shutdown(id)
          abort()
        }
        const unknown = { name: 'SockError', code: 'ERR_UNKNOWN_CONNECTION' }
        assert.throws(() => man.send(id, Buffer.from('x')), unknown)
        assert.throws(() => man.connectionStats(id), unknown)
        man.pause(id)
        man.resume(id)
        man.shutdown(id)
        assert.equal(man.close(id, { flush: true }), false)
        const { error, events } = await log.event(id, 'connectFailed')
        assert.deepEqual([error?.code, events], ['ABORT_ERR', ['connectFailed']])
      }
      // Neither is told after `stop` has been called (C9).
      const controller = new AbortController()
      const last = man.connect(silent, { signal: controller.signal })
      controller.abort()
      await man.stop()
      assert.deepEqual(log.life(last).events, ['closed'])
    },
  },
  {
    title: 'C30 a connect that the kernel finished in time is onConnected, however late JavaScript looks',
    skip: ({ network }) => (network().realTime ? undefined : 'no time passes here while a program computes'),
    async run(trial) {
      const { man, log } = trial.open()
      const server = await trial.network.listen()
      for (let round = 0; round < 3; round++) {
        const id = man.connect(server.address, { timeout: 50 })
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150)
        await log.until('what came of it', () => log.had(id, 'connected') || log.had(id, 'connectFailed'))
        assert.deepEqual(log.life(id).events, ['connected'])
      }
    },
  },
  {
    title:
      'C29 a peer that ends and resets at once: connected first, or a connect that failed with ECONNRESET',
    async run(trial) {
      const { man, log } = trial.open()
      const server = await trial.network.listen()
      for (let round = 0; round < trial.size(50, 1000); round++) {
        const id = man.connect(server.address)
        const peer = await server.accept()
        await peer.end()
        peer.reset()
        // Whoever is told of the end may never notice the reset, where `supports.resetWhilePaused` is not.
        const told = ['connectFailed', 'eof', 'error']
        await log.until('what came of it', () => told.some((event) => log.had(id, event)))
        assert.equal(log.life(id).error?.code ?? 'ECONNRESET', 'ECONNRESET')
        man.close(id)
      }
    },
  },
  {
    title: 'C31 slow connects never stall other connections',
    async run(trial) {
      const watched = trial.open({ onData: (id, data) => void man.send(id, data) })
      const { man, log } = watched
      const address = await trial.network.silent()
      const { peer } = await trial.inbound(watched)
      const slow: ConnectionId[] = []
      const control = async (): Promise<number> => {
        const [[near, far]] = (await trial.peers()) as [[Peer, Peer]]
        const { took } = await timed(trial.network, async () => {
          for (let n = 0; n < 200; n++) await Promise.all([near.send(Buffer.from('ping')), far.receive(4)])
        })
        return took
      }
      await assertFast(trial.network, { promised: 2000, control }, () =>
        timed(trial.network, async () => {
          for (let n = 0; n < 100; n++) {
            if (n % 5 === 0) slow.push(man.connect(address))
            await peer.send(Buffer.from('ping'))
            assert.equal((await peer.receive(4)).toString(), 'ping')
          }
        }),
      )
      assert.ok(slow.every((id) => log.life(id).events.length === 0))
    },
  },
  {
    title: 'C32 Unix paths and abstract names connect; TCP options are not applied to them',
    skip: ({ supports }) => (supports.unixSockets ? undefined : 'no Unix sockets here'),
    async run(trial) {
      const warnings: unknown[] = []
      const note = (message: unknown): void => void warnings.push(message)
      subscribe('sockman:warning', note)
      try {
        const watched = trial.open()
        const options = { noDelay: true, keepAlive: 30_000, userTimeout: 60_000 }
        for (const { id, peer } of [
          await trial.outbound(watched, 'unix', options),
          await trial.inbound(watched, 'unix', options),
        ]) {
          watched.man.send(id, Buffer.from('unix'))
          assert.equal((await peer.receive(4)).toString(), 'unix')
        }
        if (trial.supports.abstractUnix) {
          const { near, far } = await trial.loop(watched, 'abstract', options)
          watched.man.send(far, Buffer.from('abstract'))
          assert.equal((await watched.log.receive(near, 8)).toString(), 'abstract')
        }
      } finally {
        unsubscribe('sockman:warning', note)
      }
      assert.deepEqual(warnings, [])
    },
  },
  {
    title: 'C32 a Unix connect that finds the backlog full is onConnectFailed EAGAIN at once',
    skip: ({ supports }) => (supports.unixSockets ? undefined : 'no Unix sockets here'),
    async run(trial) {
      const accepted: ConnectionId[] = []
      const server = trial.open({ onAccepted: (id) => void accepted.push(id) }, { maxConnections: 1 })
      const { man, log } = trial.open()
      const { address } = server.man.listen(trial.network.address('unix'), { backlog: 1 })
      const ids = Array.from({ length: 10 }, () => man.connect(address))
      const told = (id: ConnectionId) => log.had(id, 'connected') || log.had(id, 'connectFailed')
      await log.until('what came of each', () => ids.every(told))
      const failed = ids.filter((id) => log.had(id, 'connectFailed'))
      assert.ok(failed.length > 0 && failed.length < ids.length, `${failed.length} failed`)
      for (const id of failed) assert.equal(log.life(id).error?.code, 'EAGAIN')
      // Nothing is wrong with the listener: the others are served one after the other.
      const connected = ids.filter((id) => log.had(id, 'connected'))
      for (const _ of connected) {
        await server.log.until('the next', () => accepted.length > 0)
        const served = accepted.pop()!
        server.man.send(served, Buffer.from('served'))
        server.man.close(served)
      }
      for (const id of connected) assert.equal((await log.receive(id, 6)).toString(), 'served')
    },
  },
  {
    title: 'C33 a connect from an address to that same address is a connection with oneself',
    skip: ({ network }) =>
      network().otherHost === undefined ? 'this network has one local address only' : undefined,
    async run(trial) {
      const { man, log } = trial.open()
      const free = man.listen('127.0.0.1:0')
      const address = free.address.toString()
      free.close()
      const id = man.connect(address, { localAddress: address })
      await log.event(id, 'connected')
      const { me, them } = log.life(id)
      assert.deepEqual([me?.toString(), them?.toString()], [address, address])
      man.send(id, Buffer.from('oneself'))
      assert.equal((await log.receive(id, 7)).toString(), 'oneself')
      man.shutdown(id)
      await log.event(id, 'eof')
      man.close(id)
      assert.equal((await log.event(id, 'closed')).unsent, 0)
    },
  },
  {
    title: 'C33 binds to a local address before connecting',
    skip: ({ network }) =>
      network().otherHost === undefined ? 'this network has one local address only' : undefined,
    async run(trial) {
      const watched = trial.open()
      const host = trial.network.otherHost!
      const { id, peer } = await trial.outbound(watched, 'ipv4', { localAddress: `${host}:0` })
      assert.equal(watched.log.life(id).me?.host, host)
      assert.equal(peer.remote, `${watched.log.life(id).me}`)
    },
  },
  {
    title: 'C33 a fixed local port can be used again at once',
    skip: ({ network }) =>
      network().otherHost === undefined ? 'this network has one local address only' : undefined,
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const first = await trial.outbound(watched, 'ipv4', { localAddress: `${trial.network.otherHost!}:0` })
      const localAddress = log.life(first.id).me!
      // Whoever ends first keeps the port for a minute (TIME_WAIT, RFC 9293).
      man.close(first.id)
      await first.peer.receiveInto(() => {})
      await first.peer.end()
      await log.event(first.id, 'closed')
      const second = await trial.outbound(watched, 'ipv4', { localAddress })
      assert.equal(second.peer.remote, `${localAddress}`)
    },
  },
]
