import assert from 'node:assert/strict'
import type { Hash } from 'node:crypto'
import type { ConnectionId } from '../sock-man'
import { assertBytes, digestOf, pattern, pour, sha256, slices } from './bytes'
import type { Case } from './harness'
import { nextTurn } from './trial'

const MI = 1 << 20

/** C42, C45–C53: bytes that come in. */
export const receiving: readonly Case[] = [
  {
    title:
      'C42 bytes arrive in order, unmodified, none lost, none twice: random write sizes, both directions',
    deadline: [60_000, 600_000],
    async run(trial) {
      const total = trial.bytes(64 * MI, 1024 * MI)
      const source = pattern(trial.bytes(4 * MI) + 4099, 42)
      const hash = sha256()
      let outgoing = slices(source, 0, 1, 1)
      const fill = (id: ConnectionId): void => pour(outgoing, (slice) => man.send(id, slice))
      const watched = trial.open({ onData: (_, data) => void hash.update(data), onReadyToSend: fill })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      await Promise.all([
        peer.sendEach(slices(source, total, 128 * 1024, 7)),
        log.until(`${total} bytes`, () => log.life(id).receivedBytes === total),
      ])
      const expected = digestOf(source, total)
      assert.equal(hash.digest('hex'), expected)

      const theirs = sha256()
      outgoing = slices(source, total, 128 * 1024, 8)
      fill(id)
      assert.equal(await peer.receiveInto((chunk) => theirs.update(chunk), total), total)
      assert.equal(theirs.digest('hex'), expected)
    },
  },
  {
    title: 'C42 many one-byte writes, both directions',
    deadline: [30_000, 120_000],
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const bytes = pattern(trial.size(10_000, 100_000))
      const sending = peer.sendEach(
        (function* () {
          for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1)
        })(),
      )
      const receiving = peer.receive(bytes.length)
      for (let at = 0; at < bytes.length; at++) {
        man.send(id, bytes.subarray(at, at + 1))
        if (at % 1000 === 0) await nextTurn()
      }
      assertBytes(await receiving, bytes)
      await sending
      assertBytes(await log.receive(id, bytes.length), bytes)
    },
  },
  {
    title: 'C45 a burst of 1 MiB, then silence, is delivered whole',
    async run(trial) {
      const watched = trial.open()
      const { id, peer } = await trial.inbound(watched)
      const burst = pattern(MI)
      await peer.send(burst)
      assertBytes(await watched.log.receive(id, burst.length), burst)
    },
  },
  {
    title: 'C46 with poison a view is good until its callback returns, and overwritten afterwards',
    async run(trial) {
      let kept: Uint8Array | undefined
      let copy: Uint8Array | undefined
      const watched = trial.open(
        {
          onData: (_, data) => {
            kept ??= data
            copy ??= Buffer.from(data)
          },
        },
        { poison: true },
      )
      const { id, peer } = await trial.inbound(watched)
      const sent = pattern(1000)
      await peer.send(sent)
      await watched.log.event(id, 'data')
      await nextTurn()
      assertBytes(copy!, sent.subarray(0, copy!.length))
      assert.ok(!Buffer.from(kept!).equals(copy!), 'the kept view still shows the data')
    },
  },
  {
    title: 'C47 data before an end of stream is delivered before onEof, which fires once',
    async run(trial) {
      const watched = trial.open()
      const { log } = watched
      const data = pattern(trial.bytes(3 * MI))
      for (let round = 0; round < 5; round++) {
        const { id, peer } = await trial.inbound(watched)
        await Promise.all([peer.send(data), peer.end(), log.event(id, 'eof')])
        assert.deepEqual(log.life(id).events, ['accepted', 'data', 'eof'])
        assertBytes(log.bytes(id), data)
      }
    },
  },
  {
    title: 'C48 a reset is onError ECONNRESET once, never onEof, after what had arrived before it',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const data = pattern(1000)
      for (let round = 0; round < trial.size(40, 1000); round++) {
        // Every second time a send meets the reset first, and must not turn it into an end of stream.
        const send = round % 2 === 1
        const { id, peer } = await trial.inbound(watched)
        await peer.send(data)
        peer.reset()
        if (send) for (let n = 0; n < 3; n++) man.send(id, data)
        const { error } = await log.event(id, 'error')
        assert.equal(error?.code, 'ECONNRESET')
        assert.ok(error!.errno! < 0)
        assert.deepEqual(log.life(id).events, ['accepted', 'data', 'error'])
        assertBytes(log.bytes(id), data)
        man.close(id)
        assert.equal((await log.event(id, 'closed')).events.at(-1), 'closed')
      }
    },
  },
  {
    title: 'C48 a reset that follows the end of stream is onError ECONNRESET, also on a paused connection',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      for (const paused of [false, true]) {
        const { id, peer } = await trial.inbound(watched)
        if (paused) man.pause(id)
        await peer.end()
        if (!paused) await log.event(id, 'eof')
        peer.reset()
        if (!trial.supports.resetWhilePaused) {
          // Who does not look is told when a send needs an answer.
          man.send(id, Buffer.from('anyone?'))
          if (paused) man.resume(id)
        }
        const { error, events } = await log.event(id, 'error')
        if (trial.supports.resetWhilePaused) {
          assert.equal(error?.code, 'ECONNRESET')
          assert.deepEqual(events, paused ? ['accepted', 'error'] : ['accepted', 'eof', 'error'])
        }
        man.close(id)
      }
    },
  },
  {
    title: 'C48 a Unix peer that closes with unread data is as supports.unixReset says',
    skip: ({ supports }) => (supports.unixSockets ? undefined : 'no Unix sockets here'),
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, 'unix')
      man.send(id, Buffer.from('never read'))
      peer.destroy()
      await log.until('its end', () => log.had(id, 'error') || log.had(id, 'eof'))
      assert.deepEqual(log.life(id).events, ['accepted', trial.supports.unixReset ? 'error' : 'eof'])
      if (trial.supports.unixReset) assert.equal(log.life(id).error?.code, 'ECONNRESET')
    },
  },
  {
    title: 'C49 pause holds data back at once, within receiveWindow',
    async run(trial) {
      const receiveWindow = 64 * 1024
      const watched = trial.open(
        {
          onData: (id, data) => {
            hash.update(data)
            // Paused in the middle of what was already read: the recorder objects to any data until resume.
            if (log.life(id).receivedBytes === data.length) man.pause(id)
          },
        },
        { receiveWindow },
      )
      const { man, log } = watched
      const hash = sha256()
      const { id, peer } = await trial.inbound(watched)
      const data = pattern(trial.bytes(16 * MI))
      const sending = peer.send(data)
      await log.event(id, 'data')
      const other = await trial.inbound(watched)
      for (let round = 0; round < 20; round++) {
        man.send(other.id, Buffer.from('x'))
        await other.peer.receive(1)
        const { heldBytes, paused } = man.connectionStats(id)
        assert.ok(paused && heldBytes <= receiveWindow, `${heldBytes} bytes are held`)
      }
      man.resume(id)
      await sending
      await log.until('all of it', () => log.life(id).receivedBytes === data.length)
      assert.equal(hash.digest('hex'), digestOf(data, data.length))
      assert.equal(man.connectionStats(id).heldBytes, 0)
    },
  },
  {
    title: 'C51 many paused connections neither slow the others nor exhaust the receive memory',
    deadline: [30_000, 60_000],
    async run(trial) {
      const watched = trial.open({
        onData: (id, data) => (id === echo.id ? void man.send(id, data) : void hashes.get(id)!.update(data)),
      })
      const { man } = watched
      const { log } = watched
      const listener = man.listen(trial.network.address())
      const echo = await trial.into(watched, listener)
      const hashes = new Map<ConnectionId, Hash>()
      const data = pattern(trial.bytes(256 * 1024))
      const sending: Promise<void>[] = []
      for (let n = trial.size(200, 1000); n > 0; n--) {
        const { id, peer } = await trial.into(watched, listener)
        man.pause(id)
        hashes.set(id, sha256())
        sending.push(peer.send(data))
      }
      const burst = pattern(trial.bytes(MI))
      for (let round = 0; round < 10; round++) {
        const [back] = await Promise.all([echo.peer.receive(burst.length), echo.peer.send(burst)])
        assertBytes(back, burst)
      }
      for (const id of hashes.keys()) man.resume(id)
      await Promise.all(sending)
      await log.until('all of it', () =>
        [...hashes.keys()].every((id) => log.life(id).receivedBytes === data.length),
      )
      for (const hash of hashes.values()) assert.equal(hash.digest('hex'), digestOf(data, data.length))
    },
  },
  {
    title: 'C50 resume delivers what was held, in order, never synchronously, without the peer',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const data = pattern(50_000)
      for (let round = 0; round < 50; round++) {
        const part = data.subarray(round * 1000, round * 1000 + 1000)
        man.pause(id)
        await peer.send(part)
        if (round % 2 === 0) await nextTurn()
        const before = log.life(id).receivedBytes
        man.resume(id)
        man.pause(id)
        man.resume(id)
        assert.equal(log.life(id).receivedBytes, before)
        await log.receive(id, (round + 1) * 1000)
      }
      assertBytes(log.bytes(id), data)
    },
  },
  {
    title: 'C52 a slow consumer bounds memory: the peer is blocked',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      man.pause(id)
      let taken = false
      const sending = peer.send(pattern(trial.bytes(64 * MI))).then(
        () => {
          taken = true
        },
        () => {},
      )
      const other = await trial.inbound(watched)
      for (let round = 0; round < 50; round++) {
        man.send(other.id, Buffer.from('x'))
        await other.peer.receive(1)
      }
      assert.equal(taken, false)
      assert.ok(
        man.stats().bytesReceived <= trial.bytes(8 * MI),
        `${man.stats().bytesReceived} bytes were read`,
      )
      man.close(id)
      await sending
    },
  },
  {
    title: 'C53 megabytes in both directions at once: no mutual stall, hashes equal',
    deadline: [30_000, 60_000],
    async run(trial) {
      const total = trial.bytes(32 * MI)
      const data = pattern(MI + 17, 53)
      const hashes = new Map<ConnectionId, Hash>()
      const outgoing = new Map<ConnectionId, Generator<Buffer>>()
      const fill = (id: ConnectionId): void => pour(outgoing.get(id)!, (slice) => man.send(id, slice))
      const watched = trial.open({
        onData: (id, chunk) => void hashes.get(id)!.update(chunk),
        onReadyToSend: fill,
      })
      const { man, log } = watched
      const begin = (id: ConnectionId): void => {
        hashes.set(id, sha256())
        outgoing.set(id, slices(data, total, 100_000, id))
        fill(id)
      }
      const { near, far } = await trial.loop(watched)
      const { id, peer } = await trial.outbound(watched)
      for (const each of [near, far, id]) begin(each)
      const theirs = sha256()
      const [count] = await Promise.all([
        peer.receiveInto((chunk) => theirs.update(chunk), total),
        peer.sendEach(slices(data, total, 100_000, 9)),
        log.until('every byte', () =>
          [near, far, id].every((each) => log.life(each).receivedBytes === total),
        ),
      ])
      assert.equal(count, total)
      const expected = digestOf(data, total)
      for (const hash of [theirs, ...hashes.values()]) assert.equal(hash.digest('hex'), expected)
    },
  },
]
