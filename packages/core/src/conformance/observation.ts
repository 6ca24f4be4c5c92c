import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ConnectionId, SockManEvents } from '../sock-man'
import { pattern } from './bytes'
import type { Case } from './harness'
import { memoryInUse } from './measure'
import { nextTurn, openDescriptors, type Pair, throwsCode } from './trial'

const MI = 1 << 20

/** C72–C75, C77: scale, turns, and what can be observed. */
export const observation: readonly Case[] = [
  {
    title: 'C72 many connect and close cycles leak no descriptor, memory or id',
    deadline: [20_000, 600_000],
    async run(trial) {
      const cycles = trial.size(500, 1_000_000)
      let closed = 0
      let last = 0
      let repeated = 0
      const events: SockManEvents = {
        onConnected: (id) => void man.close(id, { reset: true }),
        onConnectFailed: (_, error) => fail(error),
        onClosed: () => {
          closed++
          if (closed % 2 === 0) next()
        },
        onError: (id) => void man.close(id),
        onEof: (id) => void man.close(id),
      }
      const man = trial.openPlain(events)
      const family =
        trial.supports.unixSockets && trial.network.families.includes('unix') ? 'unix' : undefined
      const { address } = man.listen(trial.network.address(family))
      let [finish, fail] = [(): void => {}, (_: Error): void => {}]
      const finished = new Promise<void>((resolve, reject) => {
        finish = resolve
        fail = reject
      })
      let begun = 0
      // The last 5 000 ids and more; a table that handed one out again would do so soon.
      let [seen, before] = [new Set<number>(), new Set<number>()]
      const next = (): void => {
        if (begun === cycles) {
          if (closed === 2 * cycles) finish()
          return
        }
        begun++
        last = man.connect(address)
        if (seen.has(last) || before.has(last)) repeated++
        seen.add(last)
        if (seen.size === 5_000) [before, seen] = [seen, new Set()]
      }
      const descriptors = trial.supports.descriptors ? openDescriptors().size : 0
      for (let n = 0; n < 8; n++) next()
      // What a few cycles leave is less than what a collection leaves. A sanitizer keeps what was freed.
      const measured = trial.facts.full && !trial.facts.sanitized
      const held = measured ? memoryInUse() : 0
      await finished
      const grown = measured ? memoryInUse() - held : 0
      assert.equal(repeated, 0)
      assert.ok(Number.isSafeInteger(last))
      assert.equal(man.stats().connections, 0)
      assert.ok(grown < 96 * MI, `${grown} bytes grown`)
      // The engine itself may have opened a ring, an event and the like.
      if (trial.supports.descriptors) assert.ok(openDescriptors().size <= descriptors + 4)
    },
  },
  {
    title: 'C73 at most batchLimit events per turn, so that timers run',
    async run(trial) {
      const batchLimit = 4
      let turn = 0
      const turns: number[] = []
      const watched = trial.open(
        {
          onData: () => {
            // A marker behind the turn in which the first of these events came.
            if (turn === 0) {
              setImmediate(() => {
                turns.push(turn)
                turn = 0
              })
            }
            turn++
          },
        },
        { batchLimit },
      )
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      const pairs: Pair[] = []
      for (let n = 0; n < 60; n++) pairs.push(await trial.into(watched, listener))
      await Promise.all(pairs.map(({ peer }) => peer.send(Buffer.from('x'))))
      await log.until('all data', () => pairs.every(({ id }) => log.life(id).receivedBytes === 1))
      await nextTurn()
      assert.equal(
        turns.reduce((sum, count) => sum + count, 0),
        60,
      )
      assert.ok(Math.max(...turns) <= batchLimit, `events per turn: ${turns}`)
    },
  },
  {
    title: 'C73 microtasks run after each batch, onBatchEnd comes last',
    async run(trial) {
      const order: string[] = []
      const watched = trial.open({
        onData: () => {
          order.push('data')
          queueMicrotask(() => order.push('microtask'))
        },
        onBatchEnd: () => void order.push('end'),
      })
      const { id, peer } = await trial.inbound(watched)
      order.length = 0
      await peer.send(Buffer.from('x'))
      await watched.log.event(id, 'data')
      await nextTurn()
      assert.deepEqual(order.slice(0, 3), ['data', 'end', 'microtask'])
    },
  },
  {
    title: 'C74 stats() and connectionStats() count exactly',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const begun = trial.network.date()
      const { id, peer } = await trial.inbound(watched)
      const out = await trial.outbound(watched)
      assert.deepEqual([man.connectionStats(id).lastReceive, man.connectionStats(id).lastSend], [0, 0])
      man.send(id, pattern(3000))
      man.send(id, pattern(10))
      await peer.receive(3010)
      await peer.send(pattern(5000))
      await log.receive(id, 5000)
      const one = man.connectionStats(id)
      assert.deepEqual(
        [one.bytesReceived, one.bytesSent, one.queuedBytes, one.heldBytes, one.paused],
        [5000, 3010, 0, 0, false],
      )
      for (const time of [one.lastReceive, one.lastSend])
        assert.ok(time >= begun - 5 && time <= trial.network.date() + 5, `${time}`)
      man.pause(id)
      assert.equal(man.connectionStats(id).paused, true)
      const all = man.stats()
      assert.deepEqual(
        [
          all.connections,
          all.listeners,
          all.accepted,
          all.connected,
          all.bytesReceived,
          all.bytesSent,
          all.sends,
        ],
        [2, 1, 1, 1, 5000, 3010, 2],
      )
      assert.ok(all.syscalls > 0 && all.wakeups > 0 && all.batches > 0 && all.events >= all.batches)
      assert.ok(
        all.chunksReceived >= 1 && all.receivePool >= 0 && all.queuedBytes === 0 && all.heldBytes === 0,
      )
      man.close(out.id)
      await log.event(out.id, 'closed')
      assert.equal(man.stats().connections, 1)
      throwsCode('ERR_UNKNOWN_CONNECTION', () => man.connectionStats(out.id))
    },
  },
  {
    title: 'C75 supports and selection say what really runs, and never change',
    async run(trial) {
      const { backend, drive } = trial.facts
      const { man } = trial.open()
      const { supports, selection } = man
      assert.deepEqual(supports, backend.supports)
      assert.ok(supports.drives.includes(drive))
      const { details, rejected } = selection
      const fixed = {
        'backend.supports': backend.supports,
        supports,
        drives: supports.drives,
        selection,
        details,
        rejected,
      }
      for (const [name, value] of Object.entries(fixed))
        assert.ok(Object.isFrozen(value), `${name} is not frozen`)
      assert.deepEqual(
        [selection.backend, selection.drive, [...selection.rejected]],
        [backend.name, drive, []],
      )
      assert.ok(selection.row.startsWith(`${backend.name}:${drive}`), selection.row)
      man.listen(trial.network.address())
      assert.equal(man.supports, supports)
      assert.equal(man.selection, selection)
      const missing = (['thread', 'inline'] as const).find((each) => !supports.drives.includes(each))
      if (missing) throwsCode('ERR_UNSUPPORTED_DRIVE', () => backend.createSockMan({}, { drive: missing }))
      throwsCode('ERR_UNKNOWN_OPTION', () => backend.createSockMan({}, { receiveBlok: 1 } as object))
      throwsCode('ERR_OUT_OF_RANGE', () => backend.createSockMan({}, { batchLimit: 0 }))
      throwsCode('ERR_INVALID_ARG_TYPE', () =>
        backend.createSockMan({ onData: 1 } as unknown as SockManEvents),
      )
    },
  },
  {
    title: 'C75 selection carries what the chooser passed over, and is published',
    async run(trial) {
      const { backend, drive } = trial.facts
      const rejected = [{ backend: 'other', reason: 'EPERM', message: 'not allowed', remedy: 'ask' }]
      const heard: unknown[] = []
      const listen = (message: unknown): void => void heard.push(message)
      subscribe('sockman:selection', listen)
      const man = backend.createSockMan({}, { drive }, rejected)
      unsubscribe('sockman:selection', listen)
      try {
        assert.deepEqual(man.selection.rejected, rejected)
        assert.ok(Object.isFrozen(man.selection.rejected))
        assert.equal(heard.length, 1)
        assert.equal(heard[0], man.selection)
      } finally {
        await man.stop()
      }
    },
  },
  {
    title: 'C77 nothing done to a view makes foreign bytes appear in a later one',
    async run(trial) {
      const slice = trial.bytes(32_768)
      // Every slab that is taken away is replaced, which takes its time: some dozen are enough at quick size.
      const slices = trial.size(16, 64)
      const total = slices * slice
      const abuses: ((view: Uint8Array) => unknown)[] = [
        (view) => kept.push(view),
        (view) => structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] }),
        (view) => port1.postMessage(view, [view.buffer as ArrayBuffer]),
        (view) => (view.buffer as { transfer?: () => unknown }).transfer?.(),
        (view) => view.fill(0xee),
      ]
      const { port1 } = new MessageChannel()
      const kept: Uint8Array[] = []
      let events = 0
      const wrong: ConnectionId[] = []
      const watched = trial.open({
        onData: (id, data) => {
          const { data: all, seed } = expected.get(id)!
          const from = log.life(id).receivedBytes - data.length
          if (!all.subarray(from, from + data.length).equals(data)) wrong.push(id)
          try {
            abuses[(seed + events++) % abuses.length]!(data)
          } catch (error) {
            // The engine may refuse to have its memory taken away.
            assert.match((error as Error).name, /DataCloneError|TypeError/)
          }
        },
      })
      const { man, log } = watched
      const expected = new Map<ConnectionId, { data: Buffer; seed: number }>()
      const listener = man.listen(trial.network.address())
      const sends: Promise<void>[] = []
      for (let seed = 1; seed <= 4; seed++) {
        const { id, peer } = await trial.into(watched, listener)
        const data = pattern(total, seed)
        expected.set(id, { data, seed })
        sends.push(
          peer.sendEach(
            Array.from({ length: slices }, (_, n) => data.subarray(n * slice, n * slice + slice)),
          ),
        )
      }
      await Promise.all(sends)
      await log.until('all of it', () =>
        [...expected.keys()].every((id) => log.life(id).receivedBytes === total),
      )
      port1.close()
      assert.deepEqual(wrong, [])
    },
  },
]
