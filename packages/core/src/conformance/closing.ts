import assert from 'node:assert/strict'
import type { ConnectionId } from '../sock-man'
import { assertBytes, pattern } from './bytes'
import { type Case, needsProcess } from './harness'
import { assertFast, Stopwatch, timed } from './limit'
import type { Peer } from './peers'
import { nextTurn, openDescriptors, type Trial, type Watched } from './trial'

const MI = 1 << 20

/** Twenty of another connection: what an engine is about to do is done by then. */
async function roundTrips(trial: Trial, watched: Watched): Promise<void> {
  const other = await trial.inbound(watched)
  for (let round = 0; round < 20; round++) {
    watched.man.send(other.id, Buffer.from('x'))
    await other.peer.receive(1)
  }
  watched.man.close(other.id)
}

/** C63–C70: how connections end. */
export const closing: readonly Case[] = [
  {
    title: 'C63 with onEof and onError SockMan never closes by itself',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const ended = await trial.inbound(watched)
      const broken = await trial.inbound(watched)
      await ended.peer.end()
      broken.peer.reset()
      await log.event(ended.id, 'eof')
      await log.event(broken.id, 'error')
      // Any close by itself would have come with these.
      await roundTrips(trial, watched)
      assert.deepEqual(log.closed, [])
      assert.equal(man.stats().connections, 3)
      assert.deepEqual([man.close(ended.id), man.close(broken.id)], [true, true])
      await log.until('both to be closed', () => log.closed.length === 2)
    },
  },
  {
    title: 'C63 without onEof or onError SockMan closes that connection',
    async run(trial) {
      for (const [missing, end] of [
        ['onEof', 'end'],
        ['onError', 'reset'],
      ] as const) {
        const watched = trial.open({}, {}, [missing])
        const { id, peer } = await trial.inbound(watched)
        const other = await trial.inbound(watched)
        await peer.send(Buffer.from('last words'))
        void peer[end]()
        assert.deepEqual((await watched.log.event(id, 'closed')).events, ['accepted', 'data', 'closed'])
        if (end === 'end') assert.equal(await peer.receiveInto(() => {}), 0)
        assert.equal(watched.man.close(id), false)
        assert.deepEqual(watched.log.life(other.id).events, ['accepted'])
      }
    },
  },
  {
    title: 'C63 without onEof what was queued is sent before that connection closes',
    skip: ({ supports }) => (supports.halfClose ? undefined : 'no half-close here'),
    async run(trial) {
      const watched = trial.open({}, {}, ['onEof'])
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const sent = trial.fillUp(man, id, pattern(300_000))
      await peer.end()
      assert.equal(await peer.receiveInto(() => {}), sent)
      assert.equal((await log.event(id, 'closed')).unsent, 0)
    },
  },
  {
    title: 'C64 after onEof the owner can still send, as supports.halfClose says',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      await peer.end()
      await log.event(id, 'eof')
      if (!trial.supports.halfClose) {
        assert.equal(man.close(id), true)
        await log.event(id, 'closed')
        return
      }
      const answer = pattern(trial.bytes(4 * MI))
      man.send(id, answer)
      assertBytes(await peer.receive(answer.length), answer)
      man.shutdown(id)
      assert.equal(await peer.receiveInto(() => {}), 0)
      await nextTurn()
      assert.ok(!log.had(id, 'closed'))
    },
  },
  {
    title: 'C64 shutdown ends our side after the queue and keeps receiving, as supports.halfClose says',
    skip: ({ supports }) => (supports.halfClose ? undefined : 'no half-close here'),
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.outbound(watched)
      const question = pattern(trial.bytes(4 * MI))
      man.send(id, question)
      man.shutdown(id)
      let got = 0
      await peer.receiveInto((chunk) => {
        assertBytes(chunk, question.subarray(got, got + chunk.length))
        got += chunk.length
      })
      assert.equal(got, question.length)
      await peer.send(Buffer.from('answer'))
      await peer.end()
      await log.event(id, 'eof')
      assert.equal(log.bytes(id).toString(), 'answer')
      assert.ok(log.life(id).events.every((event) => event !== 'closed'))
    },
  },
  {
    title: 'C65 close inside any callback, for this or another connection: only onClosed follows',
    async run(trial) {
      const doomed = new Map<ConnectionId, { at: string; others: ConnectionId[] }>()
      const strike = (at: string, id: ConnectionId): void => {
        const plan = doomed.get(id)
        if (plan?.at !== at) return
        doomed.delete(id)
        for (const each of [id, ...plan.others]) assert.equal(man.close(each), true)
      }
      const watched = trial.open({
        onConnected: (id) => strike('connected', id),
        onData: (id) => strike('data', id),
        onEof: (id) => strike('eof', id),
        onError: (id) => strike('error', id),
        onReadyToSend: (id) => strike('readyToSend', id),
        onClosed: (id) => {
          const plan = doomed.get(id)
          if (plan?.at === 'closed') for (const each of plan.others) assert.equal(man.close(each), true)
        },
      })
      const { man, log } = watched
      const flood = pattern(trial.bytes(2 * MI))
      for (const at of ['data', 'eof', 'error', 'readyToSend', 'closed']) {
        const pairs = [
          await trial.inbound(watched),
          await trial.inbound(watched),
          await trial.outbound(watched),
        ]
        const [first, ...others] = pairs.map(({ id }) => id) as [ConnectionId, ...ConnectionId[]]
        doomed.set(first, { at, others })
        const { peer } = pairs[0]!
        if (at === 'readyToSend') {
          man.send(first, flood)
          while (man.send(first, flood)) assert.ok(man.connectionStats(first).queuedBytes < 64 * MI)
          void peer.receiveInto(() => {})
        }
        // The others have bytes under way too; a peer may find its connection gone.
        if (at === 'data') for (const pair of pairs) void pair.peer.send(flood).catch(() => {})
        if (at === 'eof') await peer.end()
        if (at === 'error') peer.reset()
        if (at === 'closed') man.close(first)
        await log.until(`all to be closed, from '${at}'`, () =>
          pairs.every(({ id }) => log.had(id, 'closed')),
        )
        if (at !== 'closed') assert.equal(log.life(first).events.at(-2), at)
      }
      const server = await trial.network.listen()
      const id = man.connect(server.address)
      doomed.set(id, { at: 'connected', others: [] })
      assert.deepEqual((await log.event(id, 'closed')).events, ['connected', 'closed'])
    },
  },
  {
    title: 'C66 close releases the connection within 100 ms; what the kernel had accepted still arrives',
    async run(trial) {
      const data = pattern(trial.bytes(30_000))
      const control = async (): Promise<number> => {
        const [[near, far]] = (await trial.peers()) as [[Peer, Peer]]
        await near.send(data)
        const { took } = await timed(trial.network, () => {
          near.destroy()
          return near.closed
        })
        far.destroy()
        await far.closed
        return took
      }
      await assertFast(trial.network, { promised: 100, attempts: 3, control }, async () => {
        const watched = trial.open()
        const { man, log } = watched
        const { id, peer } = await trial.inbound(watched)
        man.send(id, data)
        const before = trial.supports.descriptors ? openDescriptors().size : 0
        const watch = new Stopwatch(trial.network)
        man.close(id)
        const { unsent } = await log.event(id, 'closed')
        const taken = watch.read()
        assert.equal(unsent, 0)
        if (trial.supports.descriptors) assert.equal(openDescriptors().size, before - 1)
        assertBytes(await peer.receive(data.length), data)
        assert.equal(await peer.receiveInto(() => {}), 0)
        return taken
      })
    },
  },
  {
    title: 'C66 onClosed says how many bytes never reached the kernel',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const sent = trial.fillUp(man, id, pattern(300_000))
      man.close(id)
      const { unsent } = await log.event(id, 'closed')
      assert.ok(unsent! > 0 && unsent! < sent, `${unsent} of ${sent} unsent`)
      assert.equal(await peer.receiveInto(() => {}), sent - unsent!)
    },
  },
  {
    title: 'C67 close with flush sends the queue first, bounded by its timeout',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const chunk = pattern(300_000)
      const flushed = await trial.inbound(watched)
      const sent = trial.fillUp(man, flushed.id, chunk)
      assert.equal(man.close(flushed.id, { flush: true }), true)
      assert.equal(man.close(flushed.id), false)
      assert.equal(await flushed.peer.receiveInto(() => {}), sent)
      await flushed.peer.end()
      assert.equal((await log.event(flushed.id, 'closed')).unsent, 0)

      const stuck = await trial.inbound(watched)
      trial.fillUp(man, stuck.id, chunk)
      await assertFast(trial.network, { promised: 1200 }, async () => {
        const watch = new Stopwatch(trial.network)
        man.close(stuck.id, { flush: true, timeout: 200 })
        const { unsent } = await log.event(stuck.id, 'closed')
        const taken = watch.read()
        assert.ok(unsent! > 0)
        assert.ok(taken.took >= 195, `after ${taken.took} ms`)
        return taken
      })
    },
  },
  {
    title: "C67 a flush sends our end, and is over at the peer's",
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      for (const sent of [0, 100]) {
        const { id, peer } = await trial.inbound(watched)
        if (sent > 0) man.send(id, pattern(sent))
        man.close(id, { flush: true })
        assert.equal(await peer.receiveInto(() => {}), sent)
        // Any close by itself would have come with these.
        await roundTrips(trial, watched)
        assert.ok(!log.had(id, 'closed'))
        await peer.end()
        assert.equal((await log.event(id, 'closed')).unsent, 0)
        assert.equal(await peer.closed, undefined)
      }
    },
  },
  {
    title:
      'C67 an early answer arrives whole: a flush drops what the peer still sends, also when paused before',
    async run(trial) {
      const flood = pattern(trial.bytes(8 * MI))
      const answer = pattern(trial.bytes(MI))
      for (const paused of [false, true]) {
        let answered: ConnectionId | undefined
        const watched = trial.open(
          {
            onData: (id) => {
              if (answered === id) return
              answered = id
              if (paused) man.pause(id)
              man.send(id, answer)
              if (!paused) man.close(id, { flush: true })
            },
          },
          { receiveWindow: 4096 },
        )
        const { man, log } = watched
        const { id, peer } = await trial.inbound(watched)
        const sending = peer.send(flood)
        await log.event(id, 'data')
        if (paused) {
          // By then the window is full, and what follows stays in the kernel.
          await roundTrips(trial, watched)
          man.close(id, { flush: true })
        }
        await sending
        assertBytes(await peer.receive(answer.length), answer)
        assert.equal(await peer.receiveInto(() => {}), 0)
        await peer.end()
        assert.equal((await log.event(id, 'closed')).unsent, 0)
        assert.equal(await peer.closed, undefined)
      }
    },
  },
  {
    title: 'C67 a flush of a connect under way sends its queue, and tells of none that fails',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const data = pattern(trial.bytes(MI))
      const server = await trial.network.listen()
      const id = man.connect(server.address)
      man.send(id, data)
      assert.equal(man.close(id, { flush: true }), true)
      const peer = await server.accept()
      assertBytes(await peer.receive(data.length), data)
      assert.equal(await peer.receiveInto(() => {}), 0)
      await peer.end()
      assert.equal((await log.event(id, 'closed')).unsent, 0)
      assert.deepEqual(log.life(id).events, ['closed'])

      const refused = man.connect(await trial.network.refusing())
      man.send(refused, data)
      assert.equal(man.close(refused, { flush: true }), true)
      assert.equal((await log.event(refused, 'closed')).unsent, data.length)
      assert.deepEqual(log.life(refused).events, ['closed'])
    },
  },
  {
    title: 'C67 a flush whose peer resets tells what was lost, also by the kernel',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      for (let attempt = 1; ; attempt++) {
        const { id, peer } = await trial.inbound(watched)
        const sent = trial.fillUp(man, id, pattern(300_000))
        const { queuedBytes } = man.connectionStats(id)
        man.close(id, { flush: true })
        peer.reset()
        const { unsent } = await log.event(id, 'closed')
        assert.ok(unsent! > 0 && unsent! <= sent, `${unsent} of ${sent}`)
        if (unsent! > queuedBytes) return
        // The peer's kernel may just have acknowledged all that it was sent; that it threw those bytes away is not known.
        assert.ok(attempt < 5, `${unsent} of ${sent}, ${queuedBytes} queued`)
      }
    },
  },
  {
    title: 'C67 a flush with reset loses nothing where it is over in time, else it tells what it lost',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const answered = await trial.inbound(watched)
      await answered.peer.end()
      await log.event(answered.id, 'eof')
      const answer = pattern(trial.bytes(300_000))
      man.send(answered.id, answer)
      man.close(answered.id, { flush: true, reset: true })
      // The engine is done by then with all that it does without the peer.
      await roundTrips(trial, watched)
      assertBytes(await answered.peer.receive(answer.length), answer)
      assert.equal(await answered.peer.receiveInto(() => {}), 0)
      assert.equal((await log.event(answered.id, 'closed')).unsent, 0)
      assert.equal(await answered.peer.closed, undefined)

      const stuck = await trial.inbound(watched)
      const sent = trial.fillUp(man, stuck.id, pattern(300_000))
      man.close(stuck.id, { flush: true, reset: true, timeout: 100 })
      const { unsent } = await log.event(stuck.id, 'closed')
      const received = await stuck.peer.receiveInto(() => {})
      assert.ok(received < sent && received + unsent! >= sent, `${received} + ${unsent} of ${sent}`)
    },
  },
  {
    title: 'C68 close with reset sends RST',
    async run(trial) {
      const watched = trial.open()
      const { id, peer } = await trial.inbound(watched)
      watched.man.close(id, { reset: true })
      await peer.receiveInto(() => {})
      assert.equal(await peer.closed, 'ECONNRESET')
      await watched.log.event(id, 'closed')
    },
  },
  {
    title: 'C69 closing with unread data is a reset, closing without is none',
    async run(trial) {
      const receiveWindow = 4 * 1024
      const watched = trial.open({ onAccepted: (id) => man.pause(id) }, { receiveWindow })
      const { man, log } = watched
      const unread = await trial.inbound(watched)
      // More than is held for a paused connection, and less than the kernels hold.
      await unread.peer.send(pattern(4 * receiveWindow))
      man.close(unread.id)
      const [, code] = await Promise.all([unread.peer.receiveInto(() => {}), unread.peer.closed])
      assert.equal(code, 'ECONNRESET')
      await log.event(unread.id, 'closed')

      const read = await trial.inbound(watched)
      man.resume(read.id)
      await read.peer.send(pattern(100))
      await log.receive(read.id, 100)
      man.close(read.id)
      assert.equal(await read.peer.receiveInto(() => {}), 0)
      await read.peer.end()
      assert.equal(await read.peer.closed, undefined)
    },
  },
  {
    title: 'C70 an exception in a callback surfaces as uncaught; no event is lost or repeated',
    skip: needsProcess,
    async run(trial) {
      const child = trial.child('exceptions')
      assert.equal(await child.line(), '200 of 200 events, 200 uncaught, none twice')
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
      const held = trial.child('exceptions-held')
      assert.equal(await held.line(), 'data eof closed, uncaught data eof closed')
      assert.deepEqual(await held.end, { code: 0, signal: null, stderr: '' })
    },
  },
]
