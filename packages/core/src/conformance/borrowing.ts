import assert from 'node:assert/strict'
import type { ConnectionId } from '../sock-man'
import { assertBytes, pattern } from './bytes'
import type { Case } from './harness'
import type { Peer } from './peers'
import { throwsCode } from './trial'

const MI = 1 << 20

/** C61: whose the buffer given to `send` is. */
export const borrowing: readonly Case[] = [
  {
    title: 'C61 what onData lends is copied, whatever the view says its memory is',
    async run(trial) {
      const watched = trial.open({
        onData: (id, data) => {
          if (id !== from) return
          Object.defineProperty(data, 'buffer', { value: new ArrayBuffer(data.length) })
          man.send(to, data, { borrow: true })
        },
      })
      const { man } = watched
      const [one, other] = [await trial.inbound(watched), await trial.inbound(watched)]
      const [from, to] = [one.id, other.id]
      const noisy = await trial.inbound(watched)
      // The receiver reads late, and the memory is used again meanwhile.
      const size = trial.bytes(8 << 20)
      const sent = one.peer.send(Buffer.alloc(size, 1))
      const noise = noisy.peer.send(Buffer.alloc(size, 2))
      await Promise.all([sent, noise])
      let foreign = 0
      const length = await other.peer.receiveInto((chunk) => {
        foreign += chunk.length - chunk.filter((byte) => byte === 1).length
      }, size)
      assert.deepEqual([length, foreign], [size, 0])
    },
  },
  {
    title: 'C61 editing a buffer after send never changes what the peer gets',
    async run(trial) {
      const watched = trial.open({
        onData: (id) => {
          const small = pattern(2000, 2)
          man.send(id, small)
          small.fill(0)
        },
      })
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      const large = pattern(trial.bytes(16 * MI))
      const original = Buffer.from(large)
      man.send(id, large)
      large.fill(0)
      assertBytes(await peer.receive(large.length), original)
      await peer.send(Buffer.from('x'))
      assertBytes(await peer.receive(2000), pattern(2000, 2))
    },
  },
  {
    title: 'C61 borrow keeps the buffer alive until onReadyToSend; a detached one is refused',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const total = trial.bytes(16 * MI)
      // Nobody here keeps a reference.
      man.send(id, pattern(total), { borrow: true })
      for (let n = 0; n < 20; n++) pattern(MI, n)
      assertBytes(await peer.receive(total), pattern(total))
      await log.event(id, 'readyToSend')
      const gone = new Uint8Array(10)
      structuredClone(gone.buffer, { transfer: [gone.buffer] })
      throwsCode('ERR_INVALID_ARG_TYPE', () => man.send(id, gone, { borrow: true }))
      throwsCode('ERR_INVALID_ARG_TYPE', () => man.send(id, gone))
    },
  },
  {
    title:
      'C61 what onData lends can be sent on with borrow, whole or a part of it: the peer gets those bytes',
    async run(trial) {
      const ids: ConnectionId[] = []
      // Each view goes to the other connection of a pair, which does not read yet.
      const watched = trial.open({
        onData: (id, data) => {
          const to = ids[ids.indexOf(id) ^ 1]!
          const half = data.length >> 1
          man.send(to, data.subarray(0, half), { borrow: true })
          man.send(to, data.subarray(half), { borrow: true })
        },
      })
      const { man, log } = watched
      const pairs: { from: Peer; to: Peer }[] = []
      for (let n = 0; n < 2; n++) {
        const [from, to] = [await trial.inbound(watched), await trial.inbound(watched)]
        ids.push(from.id, to.id)
        pairs.push({ from: from.peer, to: to.peer })
      }
      const bytes = trial.bytes(8 * MI)
      const through = async ({ from, to }: { from: Peer; to: Peer }, n: number): Promise<void> => {
        const data = pattern(bytes, n)
        await from.send(data)
        assertBytes(await to.receive(bytes), data)
        await log.event(ids[2 * n + 1]!, 'readyToSend')
      }
      await Promise.all(pairs.map(through))
    },
  },
  {
    title: 'C61 a borrowed buffer that is transferred: refused, or an error, and never foreign bytes',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const total = trial.bytes(16 * MI)
      const data = new Uint8Array(total)
      data.set(pattern(total))
      assert.equal(man.send(id, data, { borrow: true }), false)
      let refused = false
      try {
        structuredClone(data.buffer, { transfer: [data.buffer] })
      } catch {
        refused = true
      }
      const chunks: Buffer[] = []
      const receiving = peer.receiveInto((chunk) => chunks.push(chunk), total)
      if (refused) await receiving
      else {
        await log.event(id, 'error')
        man.close(id)
        await receiving
      }
      const got = Buffer.concat(chunks)
      assertBytes(got, pattern(total).subarray(0, got.length))
      if (refused) assert.equal(got.length, total)
    },
  },
  {
    title: 'C61 what is lent to a connect leaves when it is connected, in order, then onReadyToSend',
    async run(trial) {
      for (const sizes of [[MI], [MI, 5], [5, MI], [MI, 5, MI, MI]]) {
        const watched = trial.open()
        const { man, log } = watched
        const server = await trial.network.listen()
        const id = man.connect(server.address)
        const parts = sizes.map((size, n) => pattern(size, n + 1))
        for (const part of parts) man.send(id, part, { borrow: part.length === MI })
        const peer = await server.accept()
        const expected = Buffer.concat(parts)
        assertBytes(await peer.receive(expected.length), expected)
        await log.event(id, 'readyToSend')
        assert.equal(man.connectionStats(id).queuedBytes, 0)
      }
    },
  },
  {
    title: 'C61 lent to a connect, then transferred: refused, or an error and no orderly end',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const server = await trial.network.listen()
      const id = man.connect(server.address)
      const data = new Uint8Array(MI).fill(1)
      man.send(id, data, { borrow: true })
      let refused = false
      try {
        structuredClone(data.buffer, { transfer: [data.buffer] })
      } catch {
        refused = true
      }
      man.shutdown(id)
      const peer = await server.accept()
      if (refused) return void (await peer.receive(MI))
      const { events } = await log.event(id, 'error')
      assert.deepEqual(events, ['connected', 'error'])
      const receiving = peer.receiveInto(() => {})
      man.close(id, { reset: true })
      assert.equal(await receiving, 0)
      assert.equal((await log.event(id, 'closed')).unsent, MI)
    },
  },
]
