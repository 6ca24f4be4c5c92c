import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SEED, world } from './world.js'

/**
 * What a node is told of an honest peer on a bad network: in this order, and that it ended for one of these reasons. Any
 * other accuses it.
 */
const LIFE =
  /^(ready;(pong;)*)?(gone (CLOSED|TRUNCATED|HANDSHAKE_TIMEOUT|PING_TIMEOUT|STALLED|DROPPED|STOPPED|ETIMEDOUT|ECONNRESET);)?$/

/**
 * Numbers from 0 to `n` − 1, the same for the same seed (Mulberry32).
 *
 * @param {number} seed
 * @returns {(n: number) => number}
 */
function dice(seed) {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * n)
  }
}

/**
 * Four nodes connect to each other at random, are cut off from each other at random and drop each other at random. What
 * must hold whatever happens: each peer's events are in order, no honest peer is accused of anything, and on a network
 * that is whole again everyone can meet everyone. In the end nothing is left.
 *
 * @param {number} seed
 */
function chaos(seed) {
  const roll = dice(seed)
  const chunk = /** @type {const} */ ([1, [1, 40], [1, 65_536]])[roll(3)] ?? 1
  return world({ seed, chunk }, async ({ network, join }) => {
    const options = {
      pingInterval: 2_000,
      handshakeTimeout: 1_000,
      sockMan: { sendHighWater: roll(2) * 4096 },
    }
    const members = Array.from({ length: 4 }, () => join(options))
    const pick = () => /** @type {import('./world.js').Member} */ (members[roll(members.length)])
    for (let step = 0; step < 20; step++) {
      const [one, other] = [pick(), pick()]
      const what = roll(8)
      if (what < 4 && one !== other) one.node.connect(other.address)
      else if (what === 4 && one !== other) network.partition(one.host, other.host)
      else if (what === 5) network.heal()
      else if (what === 6) for (const peer of one.node.peers.slice(0, 1)) one.node.drop(peer.id)
      await network.advance(roll(3) === 0 ? roll(1_500) : roll(20))
    }
    const checkLives = () => {
      for (const { lives } of members) for (const life of lives.values()) assert.match(life, LIFE)
    }
    network.heal()
    await network.advance(10_000)
    checkLives()
    for (const { node } of members) {
      assert.ok(
        node.peers.every((peer) => peer.ready),
        'a handshake was never done',
      )
    }
    const met = members.flatMap(({ node }) =>
      members.filter((other) => other.node !== node).map((other) => node.connect(other.address)),
    )
    await network.advance(500)
    assert.ok(
      met.every((peer) => peer.ready),
      'two nodes of a whole network do not meet',
    )
    await Promise.all(members.map(({ node }) => node.stop()))
    checkLives()
    for (const { node } of members) {
      const { connections, queuedBytes, heldBytes } = node.stats()
      assert.deepEqual(
        { connections, queuedBytes, heldBytes, peers: node.peers },
        { connections: 0, queuedBytes: 0, heldBytes: 0, peers: [] },
      )
    }
    // What is under way arrives; a timer that was forgotten would take longer.
    const stopped = network.now()
    await network.run()
    assert.ok(network.now() - stopped < 500, 'a timer is left')
  })
}

test(SEED === undefined ? '1 000 seeds' : `seed ${SEED}`, async () => {
  const [first, last] = SEED === undefined ? [1, 1_000] : [SEED, SEED]
  for (let seed = first; seed <= last; seed++) await chaos(seed)
})
