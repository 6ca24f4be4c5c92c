import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { ErrorEvent, RecvEvent, type Sock, SockError, type WarningMessage } from '../src'
import { DynSock, MockClock, StaticContentsSock, ZeroSock } from '../src/mock'
import { TableHost, TableSock } from './table-host'

const coded = (code: string) => expect.objectContaining({ name: 'SockError', code })

test('closes once: by close, reset, dispose, or the end of a block', () => {
  const host = new TableHost()
  const sock = new TableSock(host)
  expect([sock.fd, sock.empty]).toEqual([3, false])
  sock.close()
  expect([sock.fd, sock.empty, host.open.size]).toEqual([-1, true, 0])
  const other = new TableSock(host)
  expect(other.fd).toBe(3)
  sock.close()
  sock.reset()
  sock[Symbol.dispose]()
  expect(host.open.has(3)).toBe(true)
  other.reset()
  {
    using third = new TableSock(host)
    expect(host.open.has(third.fd)).toBe(true)
  }
  expect([host.open.size, host.mistakes]).toEqual([0, []])
})

test('release gives the descriptor away and closes nothing', () => {
  const host = new TableHost()
  const sock = new TableSock(host)
  const fd = sock.release()
  sock.close()
  expect([sock.empty, host.open.has(fd), host.owned.size]).toEqual([true, true, 0])
  using again = new TableSock(host, fd)
  expect([again.fd, host.owned.size, host.mistakes]).toEqual([fd, 1, []])
})

test('assignFrom closes its own descriptor at once and takes the other', () => {
  const host = new TableHost()
  const [sock, other] = [new TableSock(host), new TableSock(host)]
  const [own, taken] = [sock.fd, other.fd]
  sock.assignFrom(other)
  expect([sock.fd, other.empty, host.open.has(own)]).toEqual([taken, true, false])
  other.close()
  expect(host.open.has(taken)).toBe(true)
  sock.assignFrom(sock)
  expect(sock.fd).toBe(taken)
  sock.close()
  expect([host.open.size, host.mistakes]).toEqual([0, []])
})

test('assignFrom refuses what is empty, of another kind or of another host, and changes nothing', () => {
  const host = new TableHost()
  using sock = new TableSock(host)
  const empty = new TableSock(host)
  empty.close()
  using foreign = new TableSock(new TableHost())
  expect(() => sock.assignFrom(empty)).toThrow(coded('ERR_SOCK_EMPTY'))
  expect(() => sock.assignFrom(foreign)).toThrow(coded('ERR_INVALID_ARG_VALUE'))
  expect(() => sock.assignFrom(new ZeroSock() as never)).toThrow(coded('ERR_INVALID_ARG_VALUE'))
  expect(() => sock.assignFrom(undefined as never)).toThrow(coded('ERR_INVALID_ARG_VALUE'))
  expect([sock.empty, foreign.empty]).toEqual([false, false])
})

test('an empty Sock is inert: every operation says ERR_SOCK_EMPTY, dispose does nothing', async () => {
  const sock = new ZeroSock()
  sock.close()
  const bytes = new Uint8Array(1)
  const map = new Map([[sock as Sock, { requested: 1, occurred: 0 }]])
  const calls: (() => unknown)[] = [
    () => sock.send(bytes),
    () => sock.recv(bytes),
    () => sock.connect('1.2.3.4:5'),
    () => sock.bind('1.2.3.4:5'),
    () => sock.listen(),
    () => sock.accept(),
    () => sock.getSockOpt(1, 4),
    () => sock.setSockOpt(1, 2, true),
    () => sock.getSockName(),
    () => sock.getPeerName(),
    () => sock.setNonBlocking(),
    () => sock.shutdown(1),
    () => sock.isSelectable(),
    () => sock.release(),
    () => sock.waitSync(0, 1),
    () => sock.waitManySync(map, 0),
    () => new ZeroSock(sock.clock).waitManySync(map, 0),
    () => sock.sendCompleteSync('x'),
    () => sock.recvUntilTerminatorSync(10),
  ]
  for (const call of calls) expect(call, String(call)).toThrow(coded('ERR_SOCK_EMPTY'))
  const promises = [
    () => sock.wait(0, 1),
    () => sock.waitMany(map, 0),
    () => sock.sendComplete('x'),
    () => sock.recvUntilTerminator(10),
  ]
  for (const call of promises) await expect(call(), String(call)).rejects.toThrow(coded('ERR_SOCK_EMPTY'))
  expect(sock.isConnected()).toEqual({ connected: false, reason: 'not connected' })
  expect([sock.lastSocketError, sock.empty]).toEqual([0, true])
})

test.each([-1, 2 ** 31, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
  'a descriptor %s is refused and not taken',
  (fd) => {
    const host = new TableHost()
    expect(() => new TableSock(host, fd)).toThrow(coded('ERR_OUT_OF_RANGE'))
    expect(() => new TableSock(host, String(fd) as never)).toThrow(coded('ERR_INVALID_ARG_TYPE'))
    expect(host.mistakes).toEqual([])
  },
)

test('closing a Sock ends its wait with ErrorEvent; the descriptor is closed only after that', async () => {
  const host = new TableHost()
  host.letsGo = false
  const sock = new TableSock(host)
  const { fd } = sock
  const waited = sock.wait(1000, RecvEvent)
  await turn()
  expect(() => sock.release()).toThrow(coded('ERR_SOCK_BUSY'))
  using other = new TableSock(host)
  expect(() => other.assignFrom(sock)).toThrow(coded('ERR_SOCK_BUSY'))
  sock.close()
  expect([sock.empty, host.open.has(fd), host.waits[0]?.cancelled]).toEqual([true, true, true])
  expect(() => sock.send(new Uint8Array(1))).toThrow(coded('ERR_SOCK_EMPTY'))
  host.waits[0]?.end()
  expect(await waited).toBe(ErrorEvent)
  expect([host.open.has(fd), host.mistakes]).toEqual([false, []])
})

test('waitMany keeps every descriptor open until it is over, two waits on one Sock too', async () => {
  const host = new TableHost()
  host.letsGo = false
  const socks = [new TableSock(host), new TableSock(host)] as const
  const fds = socks.map((sock) => sock.fd)
  const map = new Map<Sock, { requested: number; occurred: number }>(
    socks.map((sock) => [sock, { requested: RecvEvent, occurred: 7 }]),
  )
  const many = socks[0].waitMany(map, 1000)
  const one = socks[1].wait(1000, RecvEvent)
  await turn()
  for (const sock of socks) sock.close()
  const reused = new TableSock(host)
  expect(fds).not.toContain(reused.fd)
  host.waits[1]?.end()
  await one
  expect([...host.open].filter((fd) => fds.includes(fd))).toEqual(fds)
  host.waits[0]?.end()
  expect(await many).toBe(2)
  expect([...map.values()].map((events) => events.occurred)).toEqual([ErrorEvent, ErrorEvent])
  expect([...host.open].filter((fd) => fds.includes(fd))).toEqual([])
  expect(host.mistakes).toEqual([])
  reused.close()
})

test('an algorithm that was begun on one descriptor never goes on with the next', async () => {
  const clock = new MockClock()
  const [first, second] = [new DynSock({ clock }), new DynSock({ clock })]
  const { pipes } = second
  pipes.recv.push('of another connection\n')
  const line = first.recvUntilTerminator(10)
  await Promise.resolve()
  first.assignFrom(second)
  await expect(line).rejects.toThrow(coded('ERR_SOCK_EMPTY'))
  expect(pipes.recv.length).toBe(22)
})

test('a mock moves with its state', () => {
  const clock = new MockClock()
  const [sock, other] = [new StaticContentsSock('mine', clock), new StaticContentsSock('yours', clock)]
  sock.assignFrom(other)
  const buffer = new Uint8Array(9)
  expect(sock.recv(buffer)).toBe(5)
  expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe('yours')
})

function listen(): { heard: WarningMessage[]; [Symbol.dispose](): void } {
  const heard: WarningMessage[] = []
  const note = (message: unknown): void => void heard.push(message as WarningMessage)
  subscribe('sockman:warning', note)
  return { heard, [Symbol.dispose]: () => void unsubscribe('sockman:warning', note) }
}

test('a close that fails is a warning, never thrown and never tried again', () => {
  using warnings = listen()
  const host = new TableHost()
  host.closeResult = -4
  new TableSock(host).close()
  expect(warnings.heard).toEqual([
    expect.objectContaining({ backend: 'table', code: 'CLOSE', error: expect.any(SockError) }),
  ])
  expect(host.mistakes).toEqual([])
})

/** A collector on demand, without a flag of the command line. */
const collect = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()

async function collectUntil(done: () => boolean): Promise<void> {
  for (let round = 0; round < 100 && !done(); round++) {
    collect()
    await turn()
  }
}

test('a Sock that is garbage collected unclosed is closed, and warned about', async () => {
  using warnings = listen()
  const host = new TableHost()
  ;(() => new TableSock(host))()
  await collectUntil(() => host.open.size === 0)
  expect([host.open.size, host.mistakes]).toEqual([0, []])
  expect(warnings.heard).toEqual([
    expect.objectContaining({ backend: 'table', code: 'SOCK_NOT_CLOSED', message: expect.any(String) }),
  ])
})

test('what was closed, released or assigned away is not closed again by the collector', async () => {
  const host = new TableHost()
  const kept = new TableSock(host)
  ;(() => {
    new TableSock(host).close()
    new TableSock(host).release()
    const other = new TableSock(host)
    kept.assignFrom(other)
  })()
  for (let round = 0; round < 5; round++) {
    collect()
    await turn()
  }
  expect([host.open.size, host.mistakes]).toEqual([2, []])
  expect(kept.empty).toBe(false)
})

test('a waiting Sock that nobody else knows is not collected', async () => {
  const host = new TableHost()
  const waited = (() => new TableSock(host).wait(1000, RecvEvent))()
  for (let round = 0; round < 5; round++) {
    collect()
    await turn()
  }
  expect(host.open.size).toBe(1)
  host.waits[0]?.end()
  expect(await waited).toBe(0)
})

test('a million Socks created and disposed, and 100 000 created and dropped: no descriptor left', async () => {
  const host = new TableHost()
  for (let count = 0; count < 1_000_000; count++) new TableSock(host).close()
  expect(host.open.size).toBe(0)
  for (let count = 0; count < 100_000; count++) new TableSock(host)
  await collectUntil(() => host.open.size === 0)
  expect([host.open.size, host.owned.size, host.mistakes]).toEqual([0, 0, []])
}, 60_000)
