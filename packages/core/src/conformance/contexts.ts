import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ConnectionOptions } from '../options'
import type { ConnectionId, Listener, SockManEvents } from '../sock-man'
import { type Case, needsProcess } from './harness'
import type { Pair, Trial, Watched } from './trial'

const storage = new AsyncLocalStorage<string>()
const CHUNK = new Uint8Array(65_536)

type Context = string | undefined
type Enter = <T>(run: () => T) => T

/** Of each id, the contexts in which its handlers ran. */
type Seen = Map<ConnectionId, Set<Context>>

/** C83: the async context of handlers. */
export const contexts: readonly Case[] = [
  {
    title: 'C83 handlers run in the async context of the call that began the connection',
    async run(trial) {
      for (const home of ['creation', undefined]) {
        await check(trial, home, false)
        await check(trial, home, true)
      }
      storage.disable()
    },
  },
  {
    title: 'C83 handlers run in the async context of the call after exceptions, too',
    skip: needsProcess,
    async run(trial) {
      const child = trial.child('exceptions-contexts')
      const near = ['connected', 'eof', 'closed'].map((event) => `${event} in connect`)
      const far = ['accepted', 'data', 'eof', 'closed'].map((event) => `${event} in listen`)
      assert.equal(await child.line(), [...near, ...far].join(', '))
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
]

/** What begins at home, in the context of the creation, and what begins in another one; `own` with its own handlers. */
async function check(trial: Trial, home: Context, own: boolean): Promise<void> {
  const seen: Seen = new Map()
  const batchEnds = new Set<Context>()
  const enterHome = entrance(home)
  const watched = enterHome(() => trial.open({ ...noting(seen), onBatchEnd: () => note(batchEnds) }))
  const { man, log } = watched
  const noted = noting(seen)
  const options: ConnectionOptions = own ? { events: log.handlers(noted) } : {}

  function noting(all: Seen): SockManEvents {
    const noteId = (id: ConnectionId): void => {
      if (!all.has(id)) all.set(id, new Set())
      note(all.get(id)!)
    }
    return {
      onAccepted: noteId,
      onConnected: noteId,
      onConnectFailed: noteId,
      onData(id, data) {
        noteId(id)
        man.send(id, data)
      },
      onReadyToSend: noteId,
      onEof: noteId,
      onError: noteId,
      onClosed: noteId,
    }
  }

  for (const [context, enter] of [[home, enterHome] as const, ['call', entrance('call')] as const]) {
    const ids = [
      ...(await accepted(
        trial,
        watched,
        enter(() => man.listen(trial.network.address(), options)),
      )),
      ...(await acceptedByAdopted(trial, watched, options, enter)),
      ...(await connected(trial, watched, options, enter)),
      ...(await adopted(trial, watched, options, enter)),
    ]
    for (const id of ids)
      assert.deepEqual([...seen.get(id)!], [context], `${log.life(id).events}, own handlers: ${own}`)
  }
  assert.deepEqual([...batchEnds], [home])
}

function note(contexts: Set<Context>): void {
  contexts.add(storage.getStore())
}

/** Enters one context, the same each time. */
function entrance(context: Context): Enter {
  return context === undefined ? (run) => run() : storage.run(context, () => AsyncLocalStorage.snapshot())
}

async function accepted(trial: Trial, watched: Watched, listener: Listener): Promise<ConnectionId[]> {
  const into = (): Promise<Pair> => trial.into(watched, listener)
  return live(watched, await into(), await into())
}

async function acceptedByAdopted(
  trial: Trial,
  watched: Watched,
  options: ConnectionOptions,
  enter: Enter,
): Promise<ConnectionId[]> {
  // What Socks wait with is the process's own, from the first of them on.
  const socks = trial.lasting(() => trial.facts.backend.socks)
  if (!socks) return []
  const sock = socks.create('ipv4')
  sock.bind(trial.network.address())
  sock.listen()
  return accepted(
    trial,
    watched,
    enter(() => watched.man.adoptListener(sock, options)),
  )
}

async function connected(
  trial: Trial,
  watched: Watched,
  options: ConnectionOptions,
  enter: Enter,
): Promise<ConnectionId[]> {
  const { man, log } = watched
  const server = await trial.network.listen()
  const out = async (): Promise<Pair> => {
    const id = enter(() => man.connect(server.address, options))
    const [peer] = await Promise.all([server.accept(), log.event(id, 'connected')])
    return { id, peer }
  }
  const refusing = await trial.network.refusing()
  const refused = enter(() => man.connect(refusing, options))
  await log.event(refused, 'connectFailed')
  return [refused, ...(await live(watched, await out(), await out()))]
}

async function adopted(
  { network }: Trial,
  watched: Watched,
  options: ConnectionOptions,
  enter: Enter,
): Promise<ConnectionId[]> {
  if (!network.adoptable) return []
  const adopt = async (): Promise<Pair> => {
    const { sock, peer } = await network.adoptable!()
    return { id: enter(() => watched.man.adopt(sock, options)), peer }
  }
  return live(watched, await adopt(), await adopt())
}

/** The life of two connections, one that ends and one that breaks: every event that there is. */
async function live({ man, log }: Watched, ending: Pair, breaking: Pair): Promise<ConnectionId[]> {
  for (const { id, peer } of [ending, breaking]) {
    await peer.send(Buffer.from('echo'))
    await peer.receive(4)
    assert.ok(log.had(id, 'data'))
  }
  let length = CHUNK.length
  while (man.send(ending.id, CHUNK)) length += CHUNK.length
  await ending.peer.receiveInto(() => {}, length)
  await log.event(ending.id, 'readyToSend')
  await ending.peer.end()
  await log.event(ending.id, 'eof')
  breaking.peer.reset()
  await log.event(breaking.id, 'error')
  const ids = [ending.id, breaking.id]
  for (const id of ids) man.close(id)
  for (const id of ids) await log.event(id, 'closed')
  return ids
}
