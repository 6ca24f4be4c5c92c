import assert from 'node:assert/strict'
import { fstatSync, openSync } from 'node:fs'
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
        await peer.send(Buffer.from('hi'))
        await peer.end()
        await closed
        assert.deepEqual(calls, [`${name} accepted true`, `${name} data hi`, `${name} eof`, `${name} closed`])
      }
      const server = await trial.network.listen()
      for (const [name, events] of protocols) {
        calls.length = 0
        const closed = next()
        man.connect(server.address, name === 'own' ? {} : { events })
        const peer = await server.accept()
        await peer.send(Buffer.from('yo'))
        await peer.end()
        await closed
        assert.deepEqual(calls, [`${name} connected`, `${name} data yo`, `${name} eof`, `${name} closed`])
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
    title: 'C79 adopt refuses what is no connected socket, and closes it',
    skip: needsDescriptors,
    async run(trial) {
      const { man } = trial.open()
      for (const adopt of [man.adopt, man.adoptListener]) {
        const file = openSync(process.execPath, 'r')
        throwsCode('ENOTSOCK', () => adopt({ release: () => file }))
        assert.throws(() => fstatSync(file), { code: 'EBADF' })
      }
      throwsCode('ERR_INVALID_ARG_TYPE', () => man.adopt({} as never))
      assert.equal(man.stats().connections, 0)
    },
  },
]
