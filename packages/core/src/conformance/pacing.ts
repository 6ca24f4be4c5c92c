import assert from 'node:assert/strict'
import type { ConnectionId } from '../sock-man'
import type { Case } from './harness'
import { assertQuiet } from './measure'
import type { Pair, Trial } from './trial'

/** s of a rate that may go at once, for each connection and in all (C92): twice that is allowed for here. */
const BURST = 0.2

/** Notes how many bytes have gone when, and asserts that the rate was kept from the beginning on, at each moment. */
class Meter {
  readonly #trial: Trial
  readonly #rate: number
  readonly #begun: number
  bytes = 0

  constructor(trial: Trial, rate: number) {
    this.#trial = trial
    this.#rate = rate
    this.#begun = trial.network.now()
  }

  /** s since the beginning. */
  get passed(): number {
    return (this.#trial.network.now() - this.#begun) / 1000
  }

  add(bytes: number): void {
    this.bytes += bytes
    const most = this.#rate * (this.passed + BURST)
    assert.ok(this.bytes <= most, `${this.bytes} bytes after ${this.passed} s at ${this.#rate} a second`)
  }
}

/** C92: limits of rate. */
export const pacing: readonly Case[] = [
  {
    title: 'C92 receiveRate: no more than that comes, all of it comes, in order, then the end',
    async run(trial) {
      const rate = trial.bytes(400_000)
      const watched = trial.open({
        onData: (_id, data) => {
          meter.add(data.length)
          for (const byte of data) assert.equal(byte, expected++ & 0xff)
        },
      })
      let expected = 0
      const { log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, { receiveRate: rate })
      const meter = new Meter(trial, rate)
      const half = rate >> 1
      await peer.send(Buffer.from(Uint8Array.from({ length: half }, (_, n) => n)))
      await peer.end()
      await log.event(id, 'eof')
      assert.equal(meter.bytes, half)
    },
  },
  {
    title:
      'C92 sendRate: no more than that leaves, of one send or many; what it says meanwhile, and its flush',
    async run(trial) {
      const rate = trial.bytes(400_000)
      const watched = trial.open({}, { sendHighWater: 1000 })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, { sendRate: rate })
      const meter = new Meter(trial, rate)
      const received = peer.receiveInto((chunk) => meter.add(chunk.length))
      const part = rate >> 2
      assert.equal(man.send(id, Buffer.alloc(part), { borrow: true, notify: true }), false)
      await log.event(id, 'readyToSend')
      await log.event(id, 'sent')
      assert.equal(log.life(id).sentBytes, part)
      for (let left = part; left > 0; left -= 100) man.send(id, Buffer.alloc(100))
      man.close(id, { flush: true, timeout: 60_000 })
      const total = part + 100 * Math.ceil(part / 100)
      assert.equal(await received, total)
      peer.destroy()
      await log.event(id, 'closed')
      assert.equal(log.life(id).unsent, 0)
    },
  },
  {
    title: 'C92 receiveRateTotal and sendRateTotal: all together, each has its turn',
    async run(trial) {
      const rate = trial.bytes(400_000)
      const count = 10
      const watched = trial.open(
        {
          onData: (_id, data) => {
            received.add(data.length)
          },
        },
        { receiveRateTotal: rate, sendRateTotal: rate },
      )
      const { man, log } = watched
      const pairs: Pair[] = []
      while (pairs.length < count) pairs.push(await trial.inbound(watched))
      const received = new Meter(trial, rate)
      const sent = new Meter(trial, rate)
      const share = Math.floor(rate / count / 2)
      const others: Promise<unknown>[] = []
      for (const { id, peer } of pairs) {
        others.push(peer.send(Buffer.alloc(share)))
        others.push(peer.receiveInto((chunk) => sent.add(chunk.length), share))
        man.send(id, Buffer.alloc(share))
      }
      const bytes = (id: ConnectionId): number => log.life(id).receivedBytes
      await log.until('half to come', () => received.bytes >= (share * count) / 2)
      for (const { id } of pairs) assert.ok(bytes(id) > 0, 'none for one of them')
      await Promise.all(others)
      await log.until('the rest to come', () => pairs.every(({ id }) => bytes(id) === share))
    },
  },
  {
    title: 'C92 a rate of one connection is no other’s, and of one direction not the other’s',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const slow = await trial.inbound(watched, undefined, { receiveRate: 1, sendRate: 1 })
      const oneWay = await trial.inbound(watched, undefined, { receiveRate: 1 })
      const free = await trial.inbound(watched)
      const size = trial.bytes(1_000_000)
      for (const { id, peer } of [slow, oneWay, free]) {
        man.send(id, Buffer.alloc(size))
        void peer.send(Buffer.alloc(size)).catch(() => {})
      }
      await log.receive(free.id, size)
      await Promise.all([free, oneWay].map(({ peer }) => peer.receiveInto(() => {}, size)))
      for (const { id } of [slow, oneWay]) assert.ok(log.life(id).receivedBytes < 1000)
      assert.ok(man.connectionStats(slow.id).queuedBytes > size - 1000)
      // It is let go: all that was held back by the rates comes and leaves.
      man.setOptions(slow.id, { receiveRate: 0, sendRate: 0 })
      const left = slow.peer.receiveInto(() => {}, size)
      await log.receive(slow.id, size)
      await left
    },
  },
  {
    title: 'C92 rates of a connection that is paused, reset, closed or flushed while it waits for them',
    async run(trial) {
      const rate = trial.bytes(10_000)
      const size = 5 * rate
      const watched = trial.open({}, { sendRateTotal: 10 * rate, receiveRateTotal: 10 * rate })
      const { man, log } = watched
      const begin = async (): Promise<Pair> => {
        const pair = await trial.inbound(watched, undefined, { receiveRate: rate, sendRate: rate })
        man.send(pair.id, Buffer.alloc(size), { borrow: true })
        await pair.peer.send(Buffer.alloc(size))
        await log.event(pair.id, 'data')
        return pair
      }
      const [paused, reset, closed, flushed, ended] = [
        await begin(),
        await begin(),
        await begin(),
        await begin(),
        await begin(),
      ]
      man.pause(paused.id)
      await ended.peer.end()
      man.close(closed.id)
      await log.event(closed.id, 'closed')
      assert.ok(log.life(closed.id).unsent! > 4 * rate)
      man.close(flushed.id, { flush: true, timeout: 100 })
      await log.event(flushed.id, 'closed')
      reset.peer.reset()
      // What came before the reset may be read first, at the rate.
      man.setOptions(reset.id, { receiveRate: 0 })
      await log.event(reset.id, 'error')
      man.resume(paused.id)
      const some = log.life(paused.id).receivedBytes
      await log.until('the paused one to go on', () => log.life(paused.id).receivedBytes > some)
    },
  },
  {
    title: 'C92 options of a connect and of an adopted socket; rates that are 0, and changed in a callback',
    async run(trial) {
      const { network } = trial
      const rate = trial.bytes(400_000)
      const watched = trial.open({
        onData: (id, data) => {
          meter.add(data.length)
          man.setOptions(id, { receiveRate: rate })
        },
      })
      const { man, log } = watched
      const half = rate >> 1
      const pair = await trial.outbound(watched, undefined, { receiveRate: rate, sendRate: 0 })
      let meter = new Meter(trial, 2 * rate)
      await pair.peer.send(Buffer.alloc(half))
      await log.until('all to come', () => meter.bytes === half)
      if (!network.adoptable) return
      const { sock, peer } = await network.adoptable()
      const id = man.adopt(sock, { sendRate: rate })
      meter = new Meter(trial, rate)
      man.send(id, Buffer.alloc(half))
      await peer.receiveInto((chunk) => meter.add(chunk.length), half)
    },
  },
  {
    title: 'C92 a rate costs nothing while nobody moves a byte',
    async run(trial) {
      const watched = trial.open({}, { receiveRateTotal: 1000, sendRateTotal: 1000 })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, {
        receiveRate: 1000,
        sendRate: 1000,
        idleTimeout: 60_000,
      })
      man.send(id, Buffer.alloc(300))
      await peer.send(Buffer.alloc(300))
      await Promise.all([log.receive(id, 300), peer.receive(300)])
      await assertQuiet(trial, man, 300)
    },
  },
  {
    title: 'C92 a rate that is raised while a direction waits for it',
    async run(trial) {
      const { network } = trial
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched, undefined, { receiveRate: 1, sendRate: 1 })
      const size = 1000
      await peer.send(Buffer.alloc(size))
      await log.receive(id, 1)
      man.send(id, Buffer.alloc(size))
      await peer.receive(1)
      const raised = network.now()
      man.setOptions(id, { receiveRate: 1_000_000, sendRate: 1_000_000 })
      await Promise.all([log.receive(id, size), peer.receive(size - 1)])
      const took = network.now() - raised
      assert.ok(took < 900, `${took} ms later, as if the rate were still 1`)
    },
  },
  {
    title: 'C92 a connection whose rate is set again and again has its turns all the same',
    async run(trial) {
      const rate = trial.bytes(400_000)
      const watched = trial.open({}, { receiveRateTotal: rate })
      const { man, log } = watched
      const pairs: Pair[] = []
      while (pairs.length < 50) pairs.push(await trial.inbound(watched))
      const size = Math.ceil(rate / 10)
      const sent = pairs.map(({ peer }) => peer.send(Buffer.alloc(size)).catch(() => {}))
      const [{ id }] = pairs as [Pair]
      await log.receive(id, 1)
      const before = log.life(id).receivedBytes
      for (let n = 0; n < 1000 && log.life(id).receivedBytes === before; n++) {
        man.setOptions(id, { receiveRate: rate })
        await trial.network.sleep(5)
      }
      assert.ok(log.life(id).receivedBytes > before, 'none for it')
      for (const { id } of pairs) man.close(id)
      await Promise.all(sent)
    },
  },
]
