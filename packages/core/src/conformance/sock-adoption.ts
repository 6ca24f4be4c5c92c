import assert from 'node:assert/strict'
import { RecvEvent } from '../sock/constants'
import { code, DAY, LF, recvText, type SockCase, sendText } from './sock-case'

/** C79 from the other side: a Sock that has done its own negotiation is handed to the loop. */
export const sockAdoption: readonly SockCase[] = [
  {
    title: 'a SockMan adopts a Sock with its unread bytes; the Sock is empty then',
    needs: 'createSockMan',
    async run(kind) {
      const [one, two] = kind.pair()
      sendText(two, 'hello\nunread')
      assert.equal(await one.recvUntilTerminator(LF, { encoding: 'utf8' }), 'hello')
      let received = ''
      const man = kind.createSockMan!({
        onData(id, data) {
          received += new TextDecoder().decode(data)
          if (received === 'unread') man.send(id, new TextEncoder().encode('echo'))
        },
        onEof: (id) => man.close(id),
      })
      const { fd } = one
      man.adopt(one)
      assert.deepEqual([one.empty, one.fd, kind.isOpen(fd)], [true, -1, true])
      assert.throws(() => one.send(new Uint8Array(1)), code('ERR_SOCK_EMPTY'))
      one.close()
      await two.wait(DAY, RecvEvent)
      assert.equal(recvText(two), 'echo')
      two.close()
      await man.stop()
      assert.deepEqual([received, kind.isOpen(fd)], ['unread', false])
    },
  },
  {
    title: 'a Sock that is waited for is not adopted, and stays as it is',
    needs: 'createSockMan',
    async run(kind) {
      const [one, two] = kind.pair()
      const man = kind.createSockMan!({})
      const waited = one.wait(DAY, RecvEvent)
      assert.throws(() => man.adopt(one), code('ERR_SOCK_BUSY'))
      sendText(two, 'x')
      assert.equal(await waited, RecvEvent)
      assert.equal(recvText(one), 'x')
      man.adopt(one)
      assert.throws(() => man.adopt(one), code('ERR_SOCK_EMPTY'))
      await man.stop()
      two.close()
    },
  },
  {
    title: 'a SockMan adopts a listening Sock, and the connection that waits in it',
    needs: 'createSockMan',
    async run(kind) {
      if (!kind.create) return
      const [listener, client] = [kind.create('ipv4'), kind.create('ipv4')]
      listener.bind('127.0.0.1:0')
      listener.listen()
      const address = listener.getSockName()
      client.connect(address)
      const man = kind.createSockMan!({ onData: (id, data) => man.send(id, data) })
      const { address: adopted } = man.adoptListener(listener)
      assert.deepEqual([listener.empty, adopted.toString()], [true, address.toString()])
      await client.sendComplete('line\n')
      assert.equal(await client.recvUntilTerminator(LF, { encoding: 'utf8' }), 'line')
      client.close()
      await man.stop()
    },
  },
]
