import assert from 'node:assert/strict'
import type { ConnectionId, SendOptions, SockMan } from '../sock-man'
import { assertBytes, pattern } from './bytes'
import { type Case, needsDescriptors, needsProcess } from './harness'
import { assertFast, timed } from './limit'
import { nextTurn, throwsCode } from './trial'

const MI = 1 << 20

/** Sends until the queue is full, and answers how much was taken. */
function sendUntilFull(man: SockMan, id: ConnectionId, chunk: Buffer, options?: SendOptions): number {
  let sent = 0
  throwsCode('ERR_SEND_QUEUE_FULL', () => {
    for (; sent < 256 * MI; sent += chunk.length) man.send(id, chunk, options)
  })
  return sent
}

/** C54–C60, C62: bytes that go out. */
export const sending: readonly Case[] = [
  {
    title: 'C54 false means no room: all is taken, and one of onReadyToSend, onError, onClosed follows',
    async run(trial) {
      const watched = trial.open({}, { sendHighWater: 64 * 1024 })
      const { man, log } = watched
      const chunk = pattern(100_003)
      const drained = await trial.inbound(watched)
      let sent = trial.fillUp(man, drained.id, chunk)
      assert.ok(man.connectionStats(drained.id).queuedBytes > 64 * 1024)
      assert.equal(man.send(drained.id, chunk), false)
      sent += chunk.length
      await nextTurn()
      assert.deepEqual(log.life(drained.id).events, ['accepted'])
      const got = await drained.peer.receive(sent)
      for (let at = 0; at < sent; at += chunk.length) assertBytes(got.subarray(at, at + chunk.length), chunk)
      await log.event(drained.id, 'readyToSend')
      assert.equal(man.connectionStats(drained.id).queuedBytes, 0)
      assert.equal(man.send(drained.id, Buffer.from('room again')), true)
      assert.equal((await drained.peer.receive(10)).toString(), 'room again')
      assert.deepEqual(log.life(drained.id).events, ['accepted', 'readyToSend'])

      const closed = await trial.inbound(watched)
      trial.fillUp(man, closed.id, chunk)
      man.close(closed.id)
      assert.deepEqual((await log.event(closed.id, 'closed')).events, ['accepted', 'closed'])

      const broken = await trial.inbound(watched)
      trial.fillUp(man, broken.id, chunk)
      broken.peer.reset()
      assert.deepEqual((await log.event(broken.id, 'error')).events, ['accepted', 'error'])
    },
  },
  {
    title: 'C55 beyond sendQueueMax send throws ERR_SEND_QUEUE_FULL and takes nothing',
    async run(trial) {
      const sendQueueMax = 300_000
      const watched = trial.open({}, { sendQueueMax, sendHighWater: 100_000 })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const chunk = pattern(50_000)
      const sent = sendUntilFull(man, id, chunk) + sendUntilFull(man, id, chunk, { borrow: true })
      const { queuedBytes } = man.connectionStats(id)
      assert.ok(queuedBytes > 100_000 && queuedBytes <= sendQueueMax, `${queuedBytes} bytes are queued`)
      const got = await peer.receive(sent)
      for (let at = 0; at < sent; at += chunk.length) assertBytes(got.subarray(at, at + chunk.length), chunk)
      await log.event(id, 'readyToSend')
      man.send(id, Buffer.from('end'))
      assert.equal((await peer.receive(3)).toString(), 'end')
    },
  },
  {
    title: 'C55 beyond sendTotalMax over all connections too, but for one that has little queued',
    async run(trial) {
      const sendTotalMax = 500_000
      const watched = trial.open({}, { sendTotalMax, sendQueueMax: 300_000, sendHighWater: 100_000 })
      const { man, log } = watched
      const chunk = pattern(70_000)
      const stuck = [await trial.inbound(watched), await trial.inbound(watched)]
      const sent = stuck.map(({ id }) => sendUntilFull(man, id, chunk))
      const { queuedBytes } = man.stats()
      assert.ok(queuedBytes > sendTotalMax / 2 && queuedBytes <= sendTotalMax, `${queuedBytes}`)

      const beside = await trial.inbound(watched)
      // The kernel may have taken a little more by now.
      sent[1]! += sendUntilFull(man, stuck[1]!.id, chunk)
      assert.throws(() => man.send(beside.id, chunk), {
        code: 'ERR_SEND_QUEUE_FULL',
        message: /^70000 bytes do not fit: \d+ of sendTotalMax 500000 are queued over all connections/,
      })
      for (const options of [{}, { borrow: true }, { more: true }]) {
        man.send(beside.id, pattern(20_000), options)
        man.send(beside.id, pattern(1000), options)
      }
      for (let n = 0; n < 3; n++) {
        assertBytes(await beside.peer.receive(20_000), pattern(20_000))
        assertBytes(await beside.peer.receive(1000), pattern(1000))
      }
      // What a broken connection had queued counts no more, nor what was sent.
      stuck[0]!.peer.reset()
      const { error } = await log.event(stuck[0]!.id, 'error')
      assert.equal(error?.code, 'ECONNRESET')
      man.send(beside.id, chunk)
      man.close(stuck[0]!.id)
      const got = await stuck[1]!.peer.receive(sent[1]!)
      for (let at = 0; at < got.length; at += chunk.length)
        assertBytes(got.subarray(at, at + chunk.length), chunk)
      await log.event(stuck[1]!.id, 'readyToSend')
      assertBytes(await beside.peer.receive(chunk.length), chunk)
      for (let n = 0; n < 3; n++) man.send(stuck[1]!.id, chunk)
      await stuck[1]!.peer.receive(3 * chunk.length)
      // A flush counts until it is over.
      const flushed = await trial.inbound(watched)
      const rest = sendUntilFull(man, flushed.id, chunk)
      man.close(flushed.id, { flush: true, timeout: 60_000 })
      assert.ok(man.stats().queuedBytes > 0)
      assert.equal(await flushed.peer.receiveInto(() => {}), rest)
      await flushed.peer.end()
      await log.event(flushed.id, 'closed')
      assert.equal(man.stats().queuedBytes, 0)
    },
  },
  {
    title:
      'C56 outside callbacks, with an empty queue, bytes go to the kernel in the call, as supports.optimisticSend says',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      const { bytesSent } = man.stats()
      man.send(id, pattern(1000))
      if (trial.supports.optimisticSend) {
        assert.equal(man.stats().bytesSent - bytesSent, 1000)
        assert.equal(man.connectionStats(id).queuedBytes, 0)
      }
      assertBytes(await peer.receive(1000), pattern(1000))
      assert.equal(man.stats().bytesSent - bytesSent, 1000)
    },
  },
  {
    title: 'C56 a send never overtakes queued bytes',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      const parts = Array.from({ length: 400 }, (_, n) =>
        pattern(n % 3 === 0 ? 60_000 : 1 + ((n * 7) % 500), n + 1),
      )
      const receiving = (async () => {
        for (const part of parts) assertBytes(await peer.receive(part.length), part)
      })()
      // The peer reads meanwhile: the queue empties and fills again.
      for (const [n, part] of parts.entries()) {
        man.send(id, part, n % 5 === 0 ? { borrow: true } : {})
        if (n % 20 === 19) await nextTurn()
      }
      await receiving
    },
  },
  {
    title: 'C57 a permanent write error is onError once, with the bytes not written; then nothing is taken',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      trial.fillUp(man, id, pattern(200_000))
      const { queuedBytes } = man.connectionStats(id)
      peer.reset()
      const { error } = await log.event(id, 'error')
      assert.match(error!.code, /^(ECONNRESET|EPIPE)$/)
      // The kernel may have taken more of the queue in between.
      const unsent = error!.unsentBytes ?? 0
      assert.ok(unsent > 0 && unsent <= queuedBytes, `${unsent} unsent of ${queuedBytes}`)
      assert.equal(man.send(id, Buffer.from('x')), false)
      await nextTurn()
      assert.deepEqual(log.life(id).events, ['accepted', 'error'])
      man.close(id)
      await log.event(id, 'closed')
    },
  },
  {
    title: 'C57 a send on a paused connection finds out about a reset, without resume',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      man.pause(id)
      peer.reset()
      await peer.closed
      while (!log.had(id, 'error') && man.send(id, Buffer.from('x'))) await nextTurn()
      const { error, events } = await log.event(id, 'error')
      assert.match(error!.code, /^(ECONNRESET|EPIPE)$/)
      assert.deepEqual(events, ['accepted', 'error'])
    },
  },
  {
    title: 'C57 send after shutdown throws EPIPE; what was queued before still goes out',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      const sent = trial.fillUp(man, id, pattern(100_000))
      man.shutdown(id)
      man.shutdown(id)
      throwsCode('EPIPE', () => man.send(id, Buffer.from('x')))
      assert.equal(await peer.receiveInto(() => {}), sent)
      throwsCode('EPIPE', () => man.send(id, Buffer.from('x')))
    },
  },
  {
    title: 'C58 SIGPIPE never reaches the process',
    skip: (facts) => needsDescriptors(facts) ?? needsProcess(facts),
    async run(trial) {
      for (const scenario of ['sigpipe', 'sigpipe-queued']) {
        const child = trial.child(scenario)
        assert.equal(await child.line(), 'error, no SIGPIPE', scenario)
        assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
      }
    },
  },
  {
    title: 'C59 empty data sends nothing and makes no system call; what is no text and no bytes is refused',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      man.send(id, Buffer.from('a'))
      await peer.receive(1)
      const before = man.stats()
      for (let n = 0; n < 500; n++) {
        assert.equal(man.send(id, new Uint8Array(0)), true)
        assert.equal(man.send(id, ''), true)
        assert.equal(man.send(id, new Uint8Array(0), { borrow: true, more: true }), true)
      }
      const after = man.stats()
      assert.deepEqual([after.sends, after.bytesSent], [before.sends, before.bytesSent])
      // A network thread may meanwhile make some of its own: it has just met this connection.
      const syscalls = after.syscalls - before.syscalls
      assert.ok(syscalls < 10, `${syscalls} system calls in 1500 empty sends`)
      for (const data of [1, [1], {}, null, undefined] as unknown as Uint8Array[]) {
        throwsCode('ERR_INVALID_ARG_TYPE', () => man.send(id, data))
      }
      man.send(id, Buffer.from('b'))
      assert.equal((await peer.receive(1)).toString(), 'b')
    },
  },
  {
    title: 'C60 many sends in one callback leave in one system call, in order',
    async run(trial) {
      const part = (n: number): Buffer => Buffer.from(`${n};`)
      const watched = trial.open({
        onData: (id, data) => {
          for (let n = 0; n < data[0]!; n++) assert.equal(man.send(id, part(n)), true)
        },
      })
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      const cost = async (count: number): Promise<number> => {
        const expected = Buffer.concat(Array.from({ length: count }, (_, n) => part(n)))
        const { syscalls } = man.stats()
        await peer.send(Buffer.from([count]))
        assertBytes(await peer.receive(expected.length), expected)
        await nextTurn()
        return man.stats().syscalls - syscalls
      }
      await cost(1)
      const [one, many] = [await cost(1), await cost(100)]
      assert.ok(many <= one + 5, `1 send: ${one} system calls, 100 sends: ${many}`)
      assert.equal(man.connectionStats(id).queuedBytes, 0)
    },
  },
  {
    title: 'C60 more: true is sent with what follows, in order, and after 200 ms without',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      man.send(id, Buffer.from('one '), { more: true })
      await nextTurn()
      man.send(id, Buffer.from('two'))
      assert.equal((await peer.receive(7)).toString(), 'one two')
      await assertFast(trial.network, { promised: 1000 }, () =>
        timed(trial.network, async () => {
          man.send(id, Buffer.from('alone'), { more: true })
          assert.equal((await peer.receive(5)).toString(), 'alone')
        }),
      )
    },
  },
  {
    title: 'C62 a peer that never reads: memory is bounded, others are unaffected',
    async run(trial) {
      const watched = trial.open({}, { sendQueueMax: MI, sendHighWater: 100_000 })
      const { man } = watched
      const { id } = await trial.inbound(watched)
      const other = await trial.inbound(watched)
      sendUntilFull(man, id, pattern(50_000))
      assert.ok(man.stats().queuedBytes <= MI)
      for (let round = 0; round < 20; round++) {
        man.send(other.id, pattern(50_000))
        assertBytes(await other.peer.receive(50_000), pattern(50_000))
      }
    },
  },
]
