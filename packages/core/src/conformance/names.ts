import assert from 'node:assert/strict'
import type { SockError } from '../errors'
import type { ConnectionId, SockMan, SockManEvents } from '../sock-man'
import { assertBytes } from './bytes'
import type { Case } from './harness'
import type { PeerListener } from './peers'
import { type Trial, throwsCode, type Watched } from './trial'

/** How many connects fail together. The engine ends most of them before the owner is told of the first. */
const CROWD = 24
/** What each new connection sends: its own bytes and no others may arrive. */
const TAG = 16
/** ms until the connects that nobody answers time out, all in one pass of the engine. */
const TIMEOUT = 20

/** One connect of a crowd. */
interface Member {
  readonly id: ConnectionId
  readonly controller: AbortController
}

/** What an owner may ask about an id while it has not been told of the id's end. */
const CALLS: Readonly<Record<string, (man: SockMan, member: Member) => void>> = {
  send: (man, { id }) => void man.send(id, Buffer.from('for one that has failed')),
  'send more than is copied': (man, { id }) => void man.send(id, Buffer.alloc(100_000, 'F')),
  'send lent bytes': (man, { id }) => void man.send(id, Buffer.alloc(100_000, 'L'), { borrow: true }),
  shutdown: (man, { id }) => man.shutdown(id),
  'send and shutdown': (man, { id }) => {
    man.send(id, Buffer.from('the last of one that has failed'))
    man.shutdown(id)
  },
  pause: (man, { id }) => man.pause(id),
  'pause and resume': (man, { id }) => {
    man.pause(id)
    man.resume(id)
  },
  close: (man, { id }) => void man.close(id),
  'close with flush': (man, { id }) => {
    man.send(id, Buffer.from('flushed by one that has failed'))
    man.close(id, { flush: true })
  },
  'close with reset': (man, { id }) => void man.close(id, { reset: true }),
  abort: (_, { controller }) => controller.abort(),
}

/** When the owner asks: while it is told of the first failure, or later. */
const MOMENTS: Readonly<Record<string, (run: () => void) => unknown>> = {
  'in the callback of another': (run) => run(),
  'in a microtask': queueMicrotask,
  'in the next turn': setImmediate,
  'in a timer': (run) => setTimeout(run, 1),
}

/** The call, by an owner who may have been told meanwhile that the id is at its end. */
function call(make: (man: SockMan, member: Member) => void, man: SockMan, member: Member): void {
  try {
    make(man, member)
  } catch (error) {
    assert.equal((error as SockError).code, 'ERR_UNKNOWN_CONNECTION')
  }
}

/** Answers each connection with the tag that came, and says what came before the stream ended. */
async function echoTags(server: PeerListener, count: number): Promise<string[]> {
  const one = async (): Promise<string> => {
    const peer = await server.accept()
    const chunks: Buffer[] = [await peer.receive(TAG)]
    await peer.send(chunks[0]!)
    await peer.receiveInto((chunk) => void chunks.push(chunk))
    peer.destroy()
    return Buffer.concat(chunks).toString()
  }
  return Promise.all(Array.from({ length: count }, one))
}

/**
 * Connects a crowd to `failing`; at the first failure, at `moment`, makes `calls` in turn about all the others. For each
 * that ends a new connection is made, which is likely to get the place of the one that ended: the new one has to carry
 * its tag to a peer and back, and nothing else.
 */
async function crowd(
  trial: Trial,
  tagged: Tagged,
  failing: () => Promise<string>,
  make: (man: SockMan, member: Member) => void,
  moment: (run: () => void) => unknown,
): Promise<void> {
  const { man, log } = tagged
  const server = await trial.network.listen()
  // Asked for now: a port on which nobody listens would be the server's, one time in thousands.
  const address = await failing()
  const members: Member[] = []
  const owners: ConnectionId[] = []
  let ended = 0
  tagged.onEnd = (id) => {
    if (ended++ === 0) {
      moment(() => {
        for (const member of members) if (member.id !== id) call(make, man, member)
      })
    }
    owners.push(man.connect(server.address))
    // The old names find nobody, whoever has their places now.
    if (ended === members.length) for (const member of members) call(make, man, member)
  }
  for (let n = 0; n < CROWD; n++) {
    const controller = new AbortController()
    const id = man.connect(address, { timeout: TIMEOUT, signal: controller.signal })
    members.push({ id, controller })
  }
  const [came] = await Promise.all([
    echoTags(server, CROWD),
    log.until(
      'each new connection to be closed',
      () => owners.length === CROWD && owners.every(isClosed(log)),
    ),
  ])
  assert.deepEqual(came.sort(), owners.map(tag).sort())
  for (const id of owners) assert.equal(tagged.back.get(id), tag(id))
  await server.close()
}

const tag = (id: ConnectionId): string => String(id).padStart(TAG, '.')
const isClosed =
  (log: Watched['log']) =>
  (id: ConnectionId): boolean =>
    log.had(id, 'closed')

/** A SockMan whose connections send their tag, and close when the tag has come back. */
interface Tagged extends Watched {
  /** What has come back, by id. */
  readonly back: ReadonlyMap<ConnectionId, string>
  /** A connect has ended without success, be it with `onConnectFailed` or `onClosed`. */
  onEnd: (id: ConnectionId) => void
}

function openTagged(trial: Trial): Tagged {
  const events: SockManEvents = {
    onConnected: (id) => void man.send(id, Buffer.from(tag(id))),
    onData: (id, data) => {
      const text = (back.get(id) ?? '') + Buffer.from(data)
      back.set(id, text)
      if (text.length >= TAG) man.close(id)
    },
    onConnectFailed: (id) => tagged.onEnd(id),
    onClosed: (id) => {
      if (!log.had(id, 'connected')) tagged.onEnd(id)
    },
  }
  // Small batches: microtasks and timers run while the ends of most of the crowd wait to be told.
  const watched = trial.open(events, { batchLimit: 4 })
  const { man, log } = watched
  const back = new Map<ConnectionId, string>()
  const tagged: Tagged = { ...watched, back, onEnd: () => {} }
  return tagged
}

/** C80: names. */
export const names: readonly Case[] = [
  ...Object.entries(MOMENTS).map(
    ([when, moment]): Case => ({
      title: `C80 calls about connects that were refused, ${when}, reach nobody else`,
      deadline: [20_000, 120_000],
      async run(trial) {
        const tagged = openTagged(trial)
        const refusing = (): Promise<string> => trial.network.refusing()
        for (let lap = 0; lap < trial.size(2, 20); lap++) {
          for (const make of Object.values(CALLS)) await crowd(trial, tagged, refusing, make, moment)
        }
        assert.equal(tagged.man.stats().queuedBytes, 0)
      },
    }),
  ),
  {
    title: 'C80 calls about connects that timed out together reach nobody else',
    deadline: [20_000, 120_000],
    async run(trial) {
      const tagged = openTagged(trial)
      const address = await trial.network.silent()
      const silent = async (): Promise<string> => address
      for (const moment of trial.facts.full
        ? Object.values(MOMENTS)
        : [MOMENTS['in the callback of another']!]) {
        for (const make of Object.values(CALLS)) await crowd(trial, tagged, silent, make, moment)
      }
      assert.equal(tagged.man.stats().queuedBytes, 0)
    },
  },
  {
    title: 'C80 what was sent to a connect that had failed, and then closed, is told as unsent',
    async run(trial) {
      const { man, log } = trial.open({
        onConnectFailed: (id) => {
          if (ids.some((other) => other !== id && log.life(other).state !== 'connecting')) return
          for (const other of ids) {
            if (other === id) continue
            man.send(other, Buffer.from('small'))
            man.send(other, Buffer.alloc(100_000))
            man.send(other, Buffer.alloc(100_000), { borrow: true })
            assert.equal(man.connectionStats(other).queuedBytes, 200_005)
            man.close(other)
          }
        },
      })
      const address = await trial.network.silent()
      const ids: ConnectionId[] = []
      for (let n = 0; n < CROWD; n++) ids.push(man.connect(address, { timeout: TIMEOUT }))
      await log.until('all to end', () => ids.every((id) => log.life(id).state === 'ended'))
      const unsent = ids.filter((id) => log.had(id, 'closed')).map((id) => log.life(id).unsent)
      assert.deepEqual(unsent, Array(CROWD - 1).fill(200_005))
    },
  },
  {
    title: 'C80 stop() while connects that have failed wait to be told: onClosed for each',
    async run(trial) {
      const address = await trial.network.refusing()
      for (let round = 0; round < trial.size(50, 500); round++) {
        const { man, log } = trial.open()
        const ids: ConnectionId[] = []
        for (let n = 0; n <= round % CROWD; n++) ids.push(man.connect(address))
        await man.stop()
        for (const id of ids) assert.deepEqual(log.life(id).events, ['closed'])
      }
    },
  },
  {
    title:
      'C80 getters of the caller’s that close the id or take the data away, and a length that is more than there is',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const { id: other, peer: otherPeer } = await trial.inbound(watched)
      class Longer extends Uint8Array {
        override get length(): number {
          return 1000
        }
      }
      man.send(other, Buffer.alloc(1000, 'o'))
      man.send(id, new Longer(Buffer.from('short')))
      const closing = {
        get more(): boolean {
          man.close(id)
          return false
        },
      }
      const secret = Uint8Array.from(Buffer.from('taken away'))
      const taking = {
        get more(): boolean {
          structuredClone(secret.buffer, { transfer: [secret.buffer] })
          return false
        },
      }
      throwsCode('ERR_INVALID_ARG_TYPE', () => man.send(id, secret, taking))
      throwsCode('ERR_UNKNOWN_CONNECTION', () => man.send(id, Buffer.from('too late'), closing))
      const chunks: Buffer[] = []
      await peer.receiveInto((chunk) => void chunks.push(chunk))
      assert.equal(Buffer.concat(chunks).toString(), 'short')
      assertBytes(await otherPeer.receive(1000), Buffer.alloc(1000, 'o'))
      assert.equal((await log.event(id, 'closed')).unsent, 0)
    },
  },
  {
    title:
      'C80 a signal ends only the connect that it was given to, also where its listeners cannot be removed',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const server = await trial.network.listen()
      // What an owner may put in place of `removeEventListener`, and when the abort comes.
      const removals: ((abort: () => void, id: () => ConnectionId) => void)[] = [
        () => {},
        (abort) => abort(),
        (_, id) => void man.close(id()),
      ]
      for (const remove of removals) {
        for (const moment of ['connected', 'closing', 'closed', 'replaced']) {
          const { signal, abort } = stickySignal(() => remove(abort, () => id))
          const id = man.connect(server.address, { signal })
          const peer = await server.accept()
          await log.event(id, 'connected')
          if (moment === 'connected') abort()
          const closed = man.close(id)
          if (moment === 'closing') abort()
          await log.event(id, 'closed')
          assert.ok(closed || remove === removals[2])
          assert.deepEqual(log.life(id).events, ['connected', 'closed'])
          peer.destroy()
          if (moment === 'closed') abort()
          const next = man.connect(server.address)
          if (moment === 'replaced') abort()
          const other = await server.accept()
          await log.event(next, 'connected')
          abort()
          man.send(next, Buffer.from('goes on'))
          assert.equal((await other.receive(7)).toString(), 'goes on')
          assert.deepEqual(log.life(next).events, ['connected'])
          man.close(next)
          await log.event(next, 'closed')
          other.destroy()
        }
      }
    },
  },
  {
    title: 'C80 a listener that takes the place of a closed one accepts only its own',
    async run(trial) {
      const watched = trial.open({
        onAccepted: (id, _me, _them, listener) => {
          assert.equal(listener, current)
          listener.close()
          listener.close()
          current = man.listen(trial.network.address())
          man.close(id)
        },
      })
      const { man, log } = watched
      let current = man.listen(trial.network.address())
      for (let round = 0; round < trial.size(50, 500); round++) {
        const id = man.connect(current.address)
        await log.event(id, 'connected')
        await log.until('the accept', () => log.accepted.length > round)
        man.close(id)
      }
      await log.until('each end to be closed', () => log.closed.length === 2 * log.accepted.length)
      assert.equal(man.stats().listeners, 1)
    },
  },
]

/** A signal of the owner's own making, which forgets no listener; `removed` is called instead. */
function stickySignal(removed: () => void): { signal: AbortSignal; abort: () => void } {
  const target = new EventTarget()
  const listen: EventTarget['addEventListener'] = (type, listener) => target.addEventListener(type, listener)
  const signal = Object.create(AbortSignal.prototype, {
    aborted: { value: false },
    addEventListener: { value: listen },
    removeEventListener: { value: removed },
  })
  return { signal, abort: () => void target.dispatchEvent(new Event('abort')) }
}
