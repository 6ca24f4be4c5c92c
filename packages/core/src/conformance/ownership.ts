import assert from 'node:assert/strict'
import type { Listener, SockManEvents } from '../sock-man'
import { type Case, needsDescriptors, needsProcess, needsUnix } from './harness'
import { throwsCode } from './trial'

/** C78, C79: whose events and whose descriptors. */
export const ownership: readonly Case[] = [
  {
    title: 'C78 listen and connect with their own events: those handlers, and only those',
    async run(trial) {
      const calls: string[] = []
      const protocol = (name: string): SockManEvents => ({
        onAccepted(this: SockManEvents) {
          calls.push(`${name} accepted ${this === protocols.get(name)}`)
        },
        onConnected() {
          calls.push(`${name} connected`)
        },
        onData(_, data) {
          calls.push(`${name} data ${Buffer.from(data)}`)
        },
        onEof(id) {
          calls.push(`${name} eof`)
          man.close(id)
        },
        onClosed() {
          calls.push(`${name} closed`)
          notify()
        },
      })
      let notify = (): void => {}
      const next = (): Promise<void> =>
        new Promise((resolve) => {
          notify = resolve
        })
      const protocols = new Map(['own', 'p2p', 'rpc'].map((name) => [name, protocol(name)]))
      const [own, p2p, rpc] = [...protocols.values()] as [SockManEvents, SockManEvents, SockManEvents]
      const man = trial.openPlain(own)
      const listeners: [string, Listener][] = [
        ['own', man.listen(trial.network.address())],
        ['p2p', man.listen(trial.network.address(), { events: p2p })],
        ['rpc', man.listen(trial.network.address(), { events: rpc })],
      ]
      for (const [name, listener] of listeners) {
        calls.length = 0
        const closed = next()
        const peer = await trial.network.connect(listener.address.toString())
        await peer.send(Buffer.from('h'))
        await peer.end()
        await closed
        assert.deepEqual(calls, [`${name} accepted true`, `${name} data h`, `${name} eof`, `${name} closed`])
      }
      const server = await trial.network.listen()
      for (const [name, events] of protocols) {
        calls.length = 0
        const closed = next()
        man.connect(server.address, name === 'own' ? {} : { events })
        const peer = await server.accept()
        await peer.send(Buffer.from('y'))
        await peer.end()
        await closed
        assert.deepEqual(calls, [`${name} connected`, `${name} data y`, `${name} eof`, `${name} closed`])
      }
      throwsCode('ERR_INVALID_ARG_TYPE', () =>
        man.listen(trial.network.address(), { events: { onData: 1 } as object }),
      )
    },
  },
  {
    title: 'C79 adopt takes over a connected socket, unread bytes included',
    skip: (facts) => needsDescriptors(facts) ?? needsUnix(facts) ?? needsProcess(facts),
    async run(trial) {
      const child = trial.child('adopt')
      child.socket.write('unread bytes')
      assert.equal(await child.line(), 'unread bytes')
      const answer = await new Promise<Buffer>((resolve) => child.socket.once('data', resolve))
      assert.equal(answer.toString(), 'adopted')
      child.socket.end()
      assert.equal(await child.line(), 'eof')
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
  {
    title: 'C79 adopt takes over a connected socket of this process, unread bytes included',
    skip: ({ network }) => (network().adoptable ? undefined : 'this network makes no sockets to adopt'),
    async run(trial) {
      const { man, log } = trial.open()
      const { sock, peer } = await trial.network.adoptable!()
      await peer.send(Buffer.from('unread bytes'))
      const id = man.adopt(sock)
      assert.equal((await log.receive(id, 12)).toString(), 'unread bytes')
      man.send(id, Buffer.from('adopted'))
      assert.equal((await peer.receive(7)).toString(), 'adopted')
      await peer.end()
      await log.event(id, 'eof')
      assert.deepEqual(log.life(id).events, ['data', 'eof'])
      throwsCode('ERR_SOCK_EMPTY', () => man.adopt(sock))
    },
  },
  {
    title: 'C79 adoptListener takes over a listening socket',
    skip: ({ network }) =>
      network().adoptableListener ? undefined : 'this network makes no sockets to adopt',
    async run(trial) {
      const watched = trial.open()
      const { sock, address } = trial.network.adoptableListener!()
      const listener = watched.man.adoptListener(sock)
      assert.equal(`${listener.address}`, address)
      const { id, peer } = await trial.into(watched, listener)
      await peer.send(Buffer.from('hello'))
      assert.equal((await watched.log.receive(id, 5)).toString(), 'hello')
      listener.close()
      throwsCode('ERR_SOCK_EMPTY', () => watched.man.adoptListener(sock))
    },
  },
  {
    title: 'C79 adopt refuses what is no connected socket, and closes it',
    skip: ({ network }) => (network().noSocket ? undefined : 'this network has nothing that is no socket'),
    async run(trial) {
      const { man } = trial.open()
      for (const adopt of [man.adopt, man.adoptListener]) {
        const { sock, closed } = trial.network.noSocket!()
        throwsCode('ENOTSOCK', () => adopt(sock))
        assert.ok(closed(), 'it is still open')
      }
      throwsCode('ERR_INVALID_ARG_TYPE', () => man.adopt({} as never))
      assert.equal(man.stats().connections, 0)
    },
  },
]
