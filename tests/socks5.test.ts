import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dial } from '../examples/socks5/src/dial.js'
import { startProxy } from './fixtures/socks5-proxy.mjs'
import { requireRow, rows } from './rows'

const credentials = { username: 'user', password: 'secret' }
let proxy: Awaited<ReturnType<typeof startProxy>>
let guarded: typeof proxy
let server: Server
let port: number

beforeAll(async () => {
  proxy = await startProxy()
  guarded = await startProxy(credentials)
  // Speaks first, so that its words come with the proxy's, then echoes.
  server = createServer((socket) => {
    socket.write('welcome')
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})

afterAll(async () => {
  await Promise.all([proxy.close(), guarded.close(), new Promise((resolve) => server.close(resolve))])
})

for (const row of rows) {
  describe(`examples/socks5 on ${row.name}`, () => {
    test('dials through a proxy on node:net, then a SockMan adopts the Sock and misses nothing', async (context) => {
      requireRow(row, context)
      const { backend, drive } = row
      for (const options of [{ through: proxy }, { through: guarded, credentials }]) {
        const { through, ...login } = options
        const sock = await dial(backend.socks!, through.address, { host: 'localhost', port }, login)
        expect(sock.isConnected()).toEqual({ connected: true })
        const sent = randomBytes(1 << 20)
        const expected = Buffer.concat([Buffer.from('welcome'), sent])
        const received: Buffer[] = []
        let length = 0
        const man = backend.createSockMan(
          {
            onData(id, data) {
              received.push(Buffer.from(data))
              length += data.length
              if (length === expected.length) man.close(id)
            },
            onError: (_id, error) => closed.reject(error),
            onClosed: () => closed.resolve(),
          },
          { drive },
        )
        const closed = deferred()
        const id = man.adopt(sock)
        expect(sock.empty).toBe(true)
        man.send(id, sent)
        await closed.promise
        await man.stop()
        expect(Buffer.concat(received).equals(expected)).toBe(true)
      }
    })

    test('a wrong login, and a destination that refuses: typed errors, nothing left open', async (context) => {
      requireRow(row, context)
      const socks = row.backend.socks!
      const opened: { readonly empty: boolean }[] = []
      const create: typeof socks.create = (family) => {
        const sock = socks.create(family)
        opened.push(sock)
        return sock
      }
      const wrong = { credentials: { ...credentials, password: 'wrong' } }
      const destination = { host: 'localhost', port }
      await expect(dial({ create }, guarded.address, destination, wrong)).rejects.toMatchObject({
        code: 'SOCKS5_AUTH',
      })
      await expect(dial({ create }, guarded.address, destination)).rejects.toMatchObject({
        code: 'SOCKS5_AUTH',
      })
      await expect(dial({ create }, proxy.address, { host: '127.0.0.1', port: 1 })).rejects.toMatchObject({
        code: 'SOCKS5_REFUSED',
        reply: 5,
      })
      await expect(dial({ create }, '127.0.0.1:1', destination)).rejects.toMatchObject({
        code: 'ECONNREFUSED',
      })
      expect(opened.map(({ empty }) => empty)).toEqual([true, true, true, true])
    })
  })
}

function deferred() {
  let resolve!: () => void
  let reject!: (error: Error) => void
  const promise = new Promise<void>((...settle) => {
    ;[resolve, reject] = settle
  })
  return { promise, resolve, reject }
}
