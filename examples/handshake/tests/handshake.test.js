import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encode, MAX_PAYLOAD } from '../src/frame.js'
import { encodeNonce, encodeVersion } from '../src/payload.js'
import { MAGIC, world } from './world.js'

/** @import { World, Member } from './world.js' */

const version = encode(MAGIC, 'version', encodeVersion({ protocol: 1, nonce: 99n, userAgent: '/raw/' }))
/** What a node of {@link world} says of itself. */
const ownVersion = encode(
  MAGIC,
  'version',
  encodeVersion({ protocol: 1, nonce: 0n, userAgent: '/handshake:1.0/' }),
)
const verack = encode(MAGIC, 'verack')
const ping = encode(MAGIC, 'ping', encodeNonce(7n))

/**
 * A peer without manners: sends `bytes` once connected and then what its handlers say. Not one that the protocol wrote.
 *
 * @param {World} world
 * @param {Member} victim
 * @param {...Uint8Array} bytes
 */
function rawPeer({ network }, victim, ...bytes) {
  const man = network.host().createSockMan({})
  const id = man.connect(victim.address)
  for (const part of bytes) man.send(id, part)
  return { man, id }
}

describe('two nodes', () => {
  test('shake hands, ping each other, and part when one stops', () =>
    world({}, async ({ network, join }) => {
      const [alice, bob] = [join(), join()]
      const peer = alice.node.connect(bob.address)
      await network.advance(1_000)
      assert.deepEqual(alice.events, ['ready', 'pong'])
      assert.deepEqual(bob.events, ['ready', 'pong'])
      assert.equal(peer.version?.userAgent, '/handshake:1.0/')
      await bob.node.stop()
      await network.advance(1_000)
      assert.deepEqual(alice.events, ['ready', 'pong', 'gone CLOSED'])
      assert.deepEqual(bob.events, ['ready', 'pong', 'gone STOPPED'])
      assert.deepEqual(alice.node.peers, [])
    }))

  test('do so byte by byte', () =>
    world({ chunk: 1 }, async ({ network, join }) => {
      const [alice, bob] = [join(), join()]
      alice.node.connect(bob.address)
      await network.advance(1_000)
      assert.deepEqual(
        [alice.events, bob.events],
        [
          ['ready', 'pong'],
          ['ready', 'pong'],
        ],
      )
    }))

  test('go on pinging', () =>
    world({}, async ({ network, join }) => {
      const [alice, bob] = [join({ pingInterval: 1_000 }), join()]
      alice.node.connect(bob.address)
      await network.advance(10_000)
      assert.ok(alice.events.filter((event) => event === 'pong').length >= 9, String(alice.events))
      assert.equal(alice.node.peers.length, 1)
    }))

  test('one of which is the other part', () =>
    world({}, async ({ network, join }) => {
      const alice = join()
      alice.node.connect(alice.address)
      await network.advance(1_000)
      assert.deepEqual(alice.events.toSorted(), ['gone CLOSED', 'gone SELF'])
    }))
})

describe('a peer that is lost in the middle of the handshake', () => {
  test('without a sign: the handshake times out on both sides', () =>
    world({ latency: 10 }, async ({ network, join }) => {
      const [alice, bob] = [join(), join()]
      alice.node.connect(bob.address)
      // Connected after one round trip, then `version` needs 10 ms: it is under way.
      await network.advance(25)
      assert.deepEqual([alice.node.peers.length, bob.node.peers.length], [1, 1])
      network.partition(alice.host, bob.host)
      await network.advance(11_000)
      assert.deepEqual([alice.events, bob.events], [['gone HANDSHAKE_TIMEOUT'], ['gone HANDSHAKE_TIMEOUT']])
    }))

  test('with an end of stream between two messages, or within one', () =>
    world({}, async (world) => {
      const victim = world.join()
      for (const bytes of [version, version.subarray(0, 30)]) {
        const { man, id } = rawPeer(world, victim, bytes)
        await world.network.advance(100)
        man.shutdown(id)
        await world.network.advance(1_000)
      }
      assert.deepEqual(victim.events, ['gone CLOSED', 'gone TRUNCATED'])
    }))

  test('with a reset', () =>
    world({}, async (world) => {
      const victim = world.join()
      const { man, id } = rawPeer(world, victim, version)
      await world.network.advance(100)
      man.close(id, { reset: true })
      await world.network.advance(1_000)
      assert.deepEqual(victim.events, ['gone ECONNRESET'])
    }))

  test('before it began: nobody there, nobody listening', () =>
    world({}, async ({ network, join }) => {
      const alice = join()
      alice.node.connect('10.9.9.9:8333')
      alice.node.connect(`${network.host().addresses[0]}:8333`)
      await network.advance(10_000)
      assert.deepEqual(alice.events.toSorted(), ['gone ECONNREFUSED', 'gone ETIMEDOUT'])
    }))
})

test('a peer that its owner drops is heard no more, whatever it has sent', () =>
  world({}, async (world) => {
    const victim = world.join({}, ({ id }) => victim.node.drop(id))
    rawPeer(world, victim, version, verack, ...Array(1_000).fill(ping))
    await world.network.advance(1_000)
    assert.deepEqual(victim.events, ['ready', 'gone DROPPED'])
  }))

describe('a peer that breaks the rules is dropped for it:', () => {
  const damaged = ping.slice()
  damaged.fill(1, -1)
  const crimes = {
    WRONG_MAGIC: [encode(MAGIC + 1, 'version')],
    OVERSIZED: [encode(MAGIC, 'version', new Uint8Array(MAX_PAYLOAD + 1))],
    BAD_CHECKSUM: [version, verack, damaged],
    MALFORMED: [encode(MAGIC, 'version', new Uint8Array(11))],
    'MALFORMED, later': [version, verack, encode(MAGIC, 'ping', new Uint8Array(9))],
    'UNEXPECTED, a second version': [version, version],
    'UNEXPECTED, a ping too early': [version, ping],
    'UNEXPECTED, a verack too early': [verack],
    'UNEXPECTED, a pong nobody asked for': [version, verack, encode(MAGIC, 'pong', encodeNonce(7n))],
    'UNEXPECTED, an unknown command': [version, verack, encode(MAGIC, 'getblocks')],
  }
  for (const [name, bytes] of Object.entries(crimes)) {
    test(name, () =>
      world({}, async (world) => {
        const victim = world.join()
        rawPeer(world, victim, ...bytes, ping)
        await world.network.advance(1_000)
        assert.equal(victim.events.at(-1), `gone ${name.split(',')[0]}`)
        assert.deepEqual(victim.node.peers, [])
      }),
    )
  }
})

describe('a peer that asks and never reads', () => {
  const sendHighWater = 16 * 1024
  /** What one receive of the network may bring is answered also when there is no room. */
  const bound = sendHighWater + 64 * 1024

  test('is answered until there is no room, and then no more: memory stays bounded', () =>
    world({}, async (world) => {
      const victim = world.join({ sockMan: { sendHighWater } })
      const { man, id } = rawPeer(world, victim, version, verack)
      man.pause(id)
      /** @type {number[]} */
      const answered = []
      for (let second = 0; second < 20; second++) {
        // As fast as it is taken.
        while (man.send(id, ping)) {}
        await world.network.advance(1_000)
        const { queuedBytes, bytesSent } = victim.node.stats()
        assert.ok(
          queuedBytes <= bound,
          `${queuedBytes} bytes wait for a peer that does not read, after ${second + 1} s; at most ${bound} may`,
        )
        answered.push(queuedBytes + bytesSent)
      }
      assert.equal(new Set(answered.slice(10)).size, 1, `it goes on answering: ${answered}`)
      await world.network.advance(15_000)
      assert.deepEqual(victim.events, ['ready', 'gone STALLED'])
      assert.equal(victim.node.stats().queuedBytes, 0)
    }))

  test('is answered in full once it reads', () =>
    world({}, async (world) => {
      const victim = world.join({ sockMan: { sendHighWater } })
      let bytes = 0
      const man = world.network.host().createSockMan({
        onData(_id, data) {
          bytes += data.length
        },
      })
      const id = man.connect(victim.address)
      for (const part of [version, verack]) man.send(id, part)
      man.pause(id)
      const pings = 4_000
      for (let i = 0; i < pings; i++) man.send(id, ping)
      await world.network.advance(5_000)
      const before = bytes
      man.resume(id)
      await world.network.advance(10_000)
      assert.equal(before, 0)
      // Theirs: version, verack and one ping of its own beside the answers.
      assert.equal(bytes, ownVersion.length + verack.length + ping.length + pings * ping.length)
      assert.deepEqual(victim.events, ['ready'])
      // It reads, but has never answered our own ping.
      await world.network.advance(20_000)
      assert.deepEqual(victim.events, ['ready', 'gone PING_TIMEOUT'])
    }))
})

describe('a partition', () => {
  const pingInterval = 10_000

  test('that is over soon costs nothing but time', () =>
    world({}, async ({ network, join }) => {
      const [alice, bob] = [join({ pingInterval }), join({ pingInterval })]
      alice.node.connect(bob.address)
      await network.advance(9_000)
      network.partition(alice.host, bob.host)
      await network.advance(5_000)
      network.heal()
      await network.advance(5_000)
      assert.deepEqual(
        [alice.events, bob.events],
        [
          ['ready', 'pong', 'pong'],
          ['ready', 'pong', 'pong'],
        ],
      )
    }))

  test('that lasts parts the two; once it is healed they meet again', () =>
    world({}, async ({ network, join }) => {
      const [alice, bob] = [join({ pingInterval }), join({ pingInterval })]
      alice.node.connect(bob.address)
      await network.advance(1_000)
      network.partition(alice.host, bob.host)
      await network.advance(30_000)
      assert.deepEqual([alice.events.at(-1), bob.events.at(-1)], ['gone PING_TIMEOUT', 'gone PING_TIMEOUT'])
      alice.node.connect(bob.address)
      await network.advance(10_000)
      assert.equal(alice.events.at(-1), 'gone ETIMEDOUT')
      network.heal()
      alice.node.connect(bob.address)
      await network.advance(1_000)
      assert.deepEqual(
        [alice.events.slice(-2), bob.events.slice(-2)],
        [
          ['ready', 'pong'],
          ['ready', 'pong'],
        ],
      )
    }))
})
