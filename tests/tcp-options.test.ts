import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { SockMan, SockManEvents, TcpOptions } from '@sockman/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Row, requireRow, rows } from './rows'

/** Another process, which has the same socket, says what its options are (`native/tcp_options.cc`). */
const program = fileURLToPath(new URL('build/Release/tcp-options', import.meta.url))

function optionsOf(fd: number): unknown {
  const { status, stdout, stderr } = spawnSync(program, { stdio: ['ignore', 'pipe', 'pipe', fd] })
  expect({ status, stderr: `${stderr}` }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(`${stdout}`)
}

function sockets(): Map<number, string> {
  const found = new Map<number, string>()
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const what = readlinkSync(`/proc/self/fd/${name}`)
      if (what.startsWith('socket:')) found.set(Number(name), what)
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return found
}

/** The one socket that `open` leaves open. */
async function opened(open: () => Promise<void>): Promise<number> {
  const before = sockets()
  await open()
  const [more, ...others] = [...sockets()].filter(([fd, what]) => before.get(fd) !== what)
  expect(others).toEqual([])
  return more![0]
}

const LINUX = { noDelay: 1, keepAlive: 0, keepAliveInterval: 75, keepAliveCount: 9, userTimeout: 0 }
/** Seconds: a part of one counts as one. */
const asked = {
  noDelay: false,
  keepAlive: 30_500,
  keepAliveInterval: 2000,
  keepAliveCount: 3,
  userTimeout: 4321,
}
const had = { noDelay: 0, keepAlive: 31, keepAliveInterval: 2, keepAliveCount: 3, userTimeout: 4321 }

let server: Server
beforeAll(async () => {
  server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => void server.close())

/** A SockMan, its connection to the server, and what happens meanwhile. */
async function connected(
  { backend, drive }: Row,
  options: TcpOptions,
  meanwhile: (man: SockMan, id: number) => void = () => {},
): Promise<{ man: SockMan; fd: number; id: ReturnType<SockMan['connect']> }> {
  let told = (): void => {}
  const events: SockManEvents = { onConnected: () => told() }
  const man = backend.createSockMan(events, { drive })
  const { port } = server.address() as AddressInfo
  // The server's end of it is a socket of this process, too.
  const accepted = once(server, 'connection')
  const before = sockets()
  const connecting = new Promise<void>((resolve) => {
    told = resolve
  })
  const id = man.connect(port, options)
  const [fd] = [...sockets()].find(([number, what]) => before.get(number) !== what)!
  meanwhile(man, id)
  await Promise.all([connecting, accepted])
  return { man, fd, id }
}

for (const row of rows) {
  describe(`C86 ${row.name}: the options of a socket`, () => {
    test('of a connection, from its begin and later on', async (context) => {
      requireRow(row, context)
      const begun = await connected(row, { keepAlive: 7000 })
      expect(optionsOf(begun.fd)).toEqual({
        ...LINUX,
        keepAlive: 7,
        keepAliveInterval: 1,
        keepAliveCount: 10,
      })
      await begun.man.stop()
      const { man, fd, id } = await connected(row, {})
      expect(optionsOf(fd)).toEqual(LINUX)
      man.setOptions(id, asked)
      expect(optionsOf(fd)).toEqual(had)
      man.setOptions(id, { noDelay: true, keepAlive: 0 })
      expect(optionsOf(fd)).toEqual({ ...had, noDelay: 1, keepAlive: 0 })
      man.setOptions(id, { keepAlive: 5000 })
      expect(optionsOf(fd)).toEqual({ ...had, noDelay: 1, keepAlive: 5 })
      await man.stop()
    })

    test('of one that is connecting: the last of each that was asked for', async (context) => {
      requireRow(row, context)
      const { man, fd } = await connected(row, { userTimeout: 1234 }, (man, id) => {
        man.setOptions(id as never, { noDelay: false, keepAlive: 9000 })
        man.setOptions(id as never, { keepAlive: 8000 })
      })
      // Intervals of 1 s and 10 probes are for what is given at the begin.
      expect(optionsOf(fd)).toEqual({ ...LINUX, noDelay: 0, keepAlive: 8, userTimeout: 1234 })
      await man.stop()
    })

    test('of an adopted listener, and of what it accepts; of an adopted connection', async (context) => {
      requireRow(row, context)
      const { backend, drive } = row
      let accepted = (): void => {}
      const man = backend.createSockMan({ onAccepted: () => accepted() }, { drive })
      const sock = backend.socks!.create('ipv4')
      sock.bind('127.0.0.1:0')
      sock.listen()
      const { fd } = sock
      const { address } = man.adoptListener(sock, asked)
      expect(optionsOf(fd)).toEqual(had)
      const peer = backend.socks!.create('ipv4')
      const inbound = await opened(
        () =>
          new Promise((resolve) => {
            accepted = resolve
            peer.connect(address)
          }),
      )
      expect(optionsOf(inbound)).toEqual(had)
      const own = peer.fd
      expect(optionsOf(own)).toEqual(LINUX)
      man.adopt(peer, { userTimeout: 77, noDelay: false })
      expect(optionsOf(own)).toEqual({ ...LINUX, userTimeout: 77, noDelay: 0 })
      await man.stop()
    })
  })
}
