import assert from 'node:assert/strict'
import type { ConnectionId } from '../sock-man'
import { assertBytes, pattern } from './bytes'
import type { Case } from './harness'
import { throwsCode } from './trial'

/** C13–C18: ids and addresses. */
export const identity: readonly Case[] = [
  {
    title: 'C13 ids are positive safe integers, never used again, one space for both directions',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      const seen = new Set<number>()
      for (let round = 0; round < trial.size(100, 2000); round++) {
        const near = man.connect(listener.address)
        await log.event(near, 'connected')
        await log.until('the other end', () => log.accepted.length > round)
        const far = log.accepted[round]!
        for (const id of [near, far]) {
          assert.ok(Number.isSafeInteger(id) && id > 0, `id ${id}`)
          assert.ok(!seen.has(id), `id ${id} again`)
          seen.add(id)
          man.close(id)
        }
        await log.until('both to be closed', () => log.closed.length === 2 * (round + 1))
      }
    },
  },
  {
    title: 'C14 a peer that sends and ends at once: accepted and connected come first, nothing is lost',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const greeting = pattern(5000)
      const server = await trial.network.listen()
      const listener = man.listen(trial.network.address())
      for (let round = 0; round < 20; round++) {
        const peer = await trial.network.connect(listener.address.toString())
        await Promise.all([peer.send(greeting), peer.end()])
        const id = man.connect(server.address)
        const accepted = await server.accept()
        await Promise.all([accepted.send(greeting), accepted.end()])
        await log.until(
          'both directions',
          () => log.accepted.length > round && log.had(id, 'eof') && log.had(log.accepted[round]!, 'eof'),
        )
        for (const [each, first] of [
          [id, 'connected'],
          [log.accepted[round]!, 'accepted'],
        ] as const) {
          assert.deepEqual(log.life(each).events, [first, 'data', 'eof'])
          assertBytes(log.bytes(each), greeting)
          man.close(each)
        }
      }
    },
  },
  {
    title: 'C15 calls with an unknown or closed id',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id } = await trial.inbound(watched)
      man.close(id)
      const unknown = [id, 0, -1, 1.5, Number.MAX_SAFE_INTEGER, Number.NaN] as ConnectionId[]
      const check = (): void => {
        for (const each of unknown) {
          assert.equal(man.close(each), false)
          throwsCode('ERR_UNKNOWN_CONNECTION', () => man.send(each, Buffer.from('x')))
          throwsCode('ERR_UNKNOWN_CONNECTION', () => man.connectionStats(each))
          man.pause(each)
          man.resume(each)
          man.shutdown(each)
        }
      }
      check()
      await log.event(id, 'closed')
      check()
    },
  },
  {
    title: 'C16 close(id) is true exactly once',
    async run(trial) {
      const answers: boolean[] = []
      const watched = trial.open({
        onData: (id) => void answers.push(man.close(id), man.close(id)),
        onClosed: (id) => void answers.push(man.close(id)),
      })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      await peer.send(Buffer.from('x'))
      await log.event(id, 'closed')
      assert.deepEqual([...answers, man.close(id)], [true, false, false, false])
    },
  },
  {
    title: 'C17 me and them are the concrete addresses, in both directions',
    async run(trial) {
      const watched = trial.open()
      for (const family of trial.network.families) {
        if (family === 'unix') continue
        for (const { id, peer } of [
          await trial.inbound(watched, family),
          await trial.outbound(watched, family),
        ]) {
          const { me, them } = watched.log.life(id)
          assert.deepEqual({ me: `${me}`, them: `${them}` }, { me: peer.remote, them: peer.local })
        }
      }
    },
  },
  {
    title: 'C17 a connection that its peer has reset before anybody looked still has both addresses',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      for (const family of trial.network.families.filter((it) => it.startsWith('ip'))) {
        const listener = man.listen(trial.network.address(family))
        const before = log.accepted.length
        const peers = await Promise.all(
          Array.from({ length: 30 }, async () => {
            const peer = await trial.network.connect(`${listener.address}`)
            peer.reset()
            return peer
          }),
        )
        await log.until('the connections', () => log.accepted.length === before + peers.length)
        const told = log.accepted.slice(before).map((id) => log.life(id))
        assert.deepEqual(told.map(({ them }) => `${them}`).sort(), peers.map(({ local }) => local).sort())
        for (const { me } of told) assert.equal(`${me}`, `${listener.address}`)
      }
    },
  },
  {
    title: 'C17 behind a wildcard listener me is concrete too',
    async run(trial) {
      const watched = trial.open()
      const listener = watched.man.listen('0.0.0.0:0')
      const peer = await trial.network.connect(`127.0.0.1:${listener.address.port}`)
      await watched.log.until('the connection', () => watched.log.accepted.length === 1)
      const { me, them } = watched.log.life(watched.log.accepted[0]!)
      assert.deepEqual(
        { me: `${me}`, them: `${them}` },
        { me: `127.0.0.1:${listener.address.port}`, them: peer.local },
      )
    },
  },
  {
    title: 'C17 the addresses of a Unix connection',
    skip: ({ supports }) => (supports.unixSockets ? undefined : 'no Unix sockets here'),
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const address = trial.network.address('unix')
      const { id } = await trial.into(watched, man.listen(address))
      assert.deepEqual([`${log.life(id).me}`, `${log.life(id).them}`], [address, 'unix:'])
      const { id: out } = await trial.outbound(watched, 'unix')
      assert.equal(`${log.life(out).me}`, 'unix:')
      assert.match(`${log.life(out).them}`, /^unix:./)
    },
  },
  {
    title: 'C18 a descriptor number used again never brings an event of the old connection',
    deadline: [20_000, 120_000],
    async run(trial) {
      const burst = trial.bytes(64 * 1024)
      const marks = new Map<ConnectionId, number>()
      const wrong: string[] = []
      let closed = 0
      const watched = trial.open({
        // The far end repeats its mark without end, so that a close always meets data under way.
        onAccepted: (id) => void man.send(id, Buffer.alloc(burst, id % 251)),
        onReadyToSend: (id) => void man.send(id, Buffer.alloc(burst, id % 251)),
        onData: (id, data) => {
          const mark = marks.get(id) ?? data[0]!
          marks.set(id, mark)
          if (!data.every((byte) => byte === mark)) wrong.push(`${id}: ${mark} and another`)
          man.close(id)
        },
        onError: (id) => void man.close(id),
        onEof: (id) => void man.close(id),
        onClosed: (id) => {
          if (marks.delete(id)) closed++
        },
      })
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      const rounds = trial.size(500, 10_000)
      for (let round = 0; round < rounds; round += 10) {
        for (let n = 0; n < 10; n++) man.connect(listener.address)
        await log.until(`${round + 10} connections to have come and gone`, () => closed >= round + 10)
      }
      await log.until('every end to be closed', () => log.closed.length === 2 * rounds)
      assert.deepEqual(wrong, [])
    },
  },
]
