import assert from 'node:assert/strict'
import type { ConnectionId } from '../sock-man'
import type { Case } from './harness'
import type { Pair } from './trial'

/** C89: who sends learns when the kernel has it. */
export const completion: readonly Case[] = [
  {
    title: 'C89 onSent comes once the kernel has what notify asked for, and never synchronously',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      let total = 0
      for (const size of [1, 20_000, 300_000]) {
        for (const options of [{}, { borrow: true }, { more: true }]) {
          man.send(id, Buffer.alloc(size), { notify: true, ...options })
          total += size
          assert.ok(log.life(id).sentBytes < total, 'it was told inside of send')
          const received = peer.receiveInto(() => {}, size)
          await log.until(`${total} bytes to be sent`, () => log.life(id).sentBytes >= total)
          assert.equal(man.connectionStats(id).bytesSent, total)
          await received
        }
      }
      // Who did not ask is told nothing.
      man.send(id, Buffer.alloc(1000))
      await peer.receiveInto(() => {}, 1000)
      assert.equal(log.life(id).sentBytes, total)
    },
  },
  {
    title:
      'C89 what waits in the queue is not told before the peer reads; each mark is told by the end of it',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const early = trial.fillUp(man, id, Buffer.alloc(1 << 20))
      man.send(id, Buffer.alloc(1000), { notify: true })
      man.send(id, 'more')
      man.send(id, 'x', { notify: true })
      await trial.look(watched)
      assert.equal(log.life(id).sentBytes, 0)
      const total = early + 1005
      const received = peer.receiveInto(() => {}, total)
      await log.until('all to be sent', () => log.life(id).sentBytes === total)
      assert.equal(await received, total)
    },
  },
  {
    title: 'C89 a queue that never gets empty tells of what has left it',
    async run(trial) {
      let sends = 0
      let told = 0
      const chunk = Buffer.alloc(65_536)
      const watched = trial.open({
        onSent: (id) => {
          told++
          // Behind what waits already, so that the queue goes on.
          if (sends < 200) feed(id)
        },
      })
      const { man, log } = watched
      const feed = (id: ConnectionId): void => {
        for (let n = 0; n < 4; n++, sends++) man.send(id, chunk, { notify: true })
      }
      const { id, peer } = await trial.inbound(watched)
      for (let n = 0; n < 8; n++) feed(id)
      const received = peer.receiveInto(() => {}, 200 * chunk.length)
      await log.until(
        'the last to be told',
        () => sends >= 200 && log.life(id).sentBytes >= sends * chunk.length,
      )
      await received
      assert.ok(told > 1)
    },
  },
  {
    title: 'C89 while it connects: told once it is connected; of one that fails, breaks or closes never',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const server = await trial.network.listen()
      const id = man.connect(server.address)
      man.send(id, 'early', { notify: true })
      const peer = await server.accept()
      await log.until('it to be told', () => log.life(id).sentBytes === 5)
      assert.deepEqual(log.life(id).events, ['connected', 'sent'])
      assert.equal(`${await peer.receive(5)}`, 'early')

      const empty = man.connect(server.address)
      man.send(empty, '', { notify: true })
      await log.until('nothing to be told', () => log.had(empty, 'sent'))
      assert.deepEqual(log.life(empty).events, ['connected', 'sent'])

      const failing = man.connect(await trial.network.refusing())
      man.send(failing, 'lost', { notify: true })
      await log.event(failing, 'connectFailed')
      const closing = await trial.inbound(watched)
      man.send(closing.id, 'x', { notify: true })
      man.close(closing.id)
      await log.event(closing.id, 'closed')
      const breaking = await trial.inbound(watched)
      trial.fillUp(man, breaking.id, Buffer.alloc(1 << 20))
      man.send(breaking.id, 'x', { notify: true })
      breaking.peer.reset()
      await log.event(breaking.id, 'error')
      for (const each of [failing, closing.id, breaking.id]) assert.equal(log.had(each, 'sent'), false)
      // Its place is another's now.
      const next = await trial.inbound(watched)
      man.close(breaking.id)
      await log.event(breaking.id, 'closed')
      const after = await trial.inbound(watched)
      for (const each of [next, after]) {
        man.send(each.id, 'y')
        await each.peer.receive(1)
        assert.equal(log.had(each.id, 'sent'), false)
      }
    },
  },
  {
    title: 'C89 told while what was sent later keeps the queue from getting empty',
    async run(trial) {
      const watched = trial.open({}, { sendQueueMax: 2 ** 30 })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const early = trial.fillUp(man, id, Buffer.alloc(1 << 20)) + 1
      man.send(id, 'x', { notify: true })
      const late = 2 * trial.network.capacity
      man.send(id, Buffer.alloc(late))
      // What the peer reads from now on leaves more than both kernels hold behind.
      const received = peer.receiveInto(() => {}, early + late / 4)
      await log.until('the mark to be told', () => log.life(id).sentBytes >= early)
      assert.ok(man.connectionStats(id).queuedBytes > 0, 'it was told with an empty queue only')
      await received
      await peer.receiveInto(() => {}, late - late / 4)
    },
  },
  {
    title:
      'C89 events like others: at most batchLimit per turn, counted, and a batch has its end; of nothing, too',
    async run(trial) {
      let batches = 0
      let told = 0
      let most = 0
      const watched = trial.open(
        {
          onSent: () => {
            told++
            most = Math.max(most, told)
          },
          onBatchEnd: () => {
            batches++
            told = 0
          },
        },
        { batchLimit: 4 },
      )
      const { man, log } = watched
      const pairs: Pair[] = []
      for (let n = 0; n < 20; n++) pairs.push(await trial.inbound(watched))
      batches = told = most = 0
      const before = man.stats().events
      for (const { id } of pairs) man.send(id, id % 2 === 0 ? 'x' : '', { notify: true })
      await log.until('all to be told', () => pairs.every(({ id }) => log.had(id, 'sent')))
      await log.until('the last batch to end', () => told === 0)
      assert.ok(most <= 4, `${most} in one batch`)
      assert.ok(batches >= 5, `${batches} batches`)
      assert.ok(man.stats().events >= before + 20)
    },
  },
  {
    title: 'C89 on a paused connection, with a handler that throws nothing away: what is owed comes',
    async run(trial) {
      const order: string[] = []
      const watched = trial.open({
        onSent: (id) => {
          order.push('sent')
          man.send(id, 'y')
        },
        onReadyToSend: () => void order.push('ready'),
      })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      man.pause(id)
      const size = trial.fillUp(man, id, Buffer.alloc(1 << 20))
      man.send(id, 'x', { notify: true })
      const received = peer.receiveInto(() => {}, size + 2)
      await log.until('both', () => order.includes('sent') && order.includes('ready'))
      await received
    },
  },
  {
    title: 'C89 many marks on a peer that does not read cost little, and each send is answered',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const size = trial.fillUp(man, id, Buffer.alloc(1 << 20))
      const count = trial.size(5000, 50_000)
      for (let n = 0; n < count; n++) man.send(id, 'x', { notify: true })
      const received = peer.receiveInto(() => {}, size + count)
      await log.until('the last to be told', () => log.life(id).sentBytes === size + count)
      await received
    },
  },
  {
    title: 'C89 from inside of its own handler, closed there, and beside onReadyToSend',
    async run(trial) {
      const order: string[] = []
      const watched = trial.open({
        onSent: (id) => {
          order.push('sent')
          if (order.length === 1) man.send(id, 'again', { notify: true })
          else man.close(id)
        },
        onReadyToSend: () => void order.push('ready'),
      })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const size = trial.fillUp(man, id, Buffer.alloc(1 << 20))
      man.send(id, 'x', { notify: true })
      await peer.receiveInto(() => {}, size + 1 + 5)
      await log.event(id, 'closed')
      assert.deepEqual(order, ['sent', 'ready', 'sent'])
    },
  },
]
