import { constants } from 'node:os'
import { expect, test } from 'vitest'
import {
  errnoOf,
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_PEEK,
  SHUT_WR,
  SO_ERROR,
  SO_LINGER,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../src'
import { DynSock, type FaultScript, FaultSock, MOCK_ADDRESS, ZeroSock } from '../src/mock'
import { TableHost, TableSock } from './table-host'

const coded = (code: string) => expect.objectContaining({ name: 'SockError', code })

const PRIMITIVES: [name: string, call: (sock: TableSock) => unknown][] = [
  ['send', (sock) => sock.send(new Uint8Array(9))],
  ['recv', (sock) => sock.recv(new Uint8Array(9))],
  ['connect', (sock) => sock.connect('1.2.3.4:5')],
  ['bind', (sock) => sock.bind('1.2.3.4:5')],
  ['listen', (sock) => sock.listen()],
  ['accept', (sock) => sock.accept()],
  ['getsockopt', (sock) => sock.getSockOpt(SOL_SOCKET, SO_ERROR)],
  ['setsockopt', (sock) => sock.setSockOpt(IPPROTO_TCP, TCP_NODELAY, true)],
  ['fcntl', (sock) => sock.setNonBlocking()],
  ['shutdown', (sock) => sock.shutdown(SHUT_WR)],
]

test.each(PRIMITIVES)(
  '%s answers a transient error as a negative errno and throws a permanent one',
  (name, call) => {
    using sock = new TableSock(new TableHost())
    for (const transient of ['EAGAIN', 'EINTR', 'EINPROGRESS']) {
      sock.answer = -errnoOf(transient)
      expect(call(sock)).toBe(-errnoOf(transient))
      expect(sock.lastSocketError).toBe(errnoOf(transient))
    }
    sock.answer = -errnoOf('ECONNRESET')
    expect(() => call(sock)).toThrow(
      expect.objectContaining({ name: 'SockError', code: 'ECONNRESET', errno: -104, syscall: name }),
    )
    expect(sock.lastSocketError).toBe(104)
  },
)

test('connect and bind name the address in their error', () => {
  using sock = new TableSock(new TableHost())
  sock.answer = -errnoOf('ECONNREFUSED')
  const where = expect.objectContaining({ code: 'ECONNREFUSED', address: '1.2.3.4', port: 5 })
  expect(() => sock.connect('1.2.3.4:5')).toThrow(where)
  expect(() => sock.bind('1.2.3.4:5')).toThrow(where)
  expect(() => sock.connect('example.org:80')).toThrow(coded('ERR_INVALID_ADDRESS'))
})

test('getSockName and getPeerName throw for every error: they have no transient one', () => {
  using sock = new TableSock(new TableHost())
  for (const errno of ['ENOTCONN', 'EINTR']) {
    sock.answer = -errnoOf(errno)
    expect(() => sock.getPeerName()).toThrow(coded(errno))
    expect(() => sock.getSockName()).toThrow(coded(errno))
  }
})

test('send: flags and offset reach the call, MSG_NOSIGNAL always does', () => {
  const seen: unknown[] = []
  class Spy extends ZeroSock {
    protected override sysSend(data: Uint8Array, offset: number, flags: number): number {
      seen.push(data.length, offset, flags)
      return 1
    }
  }
  using sock = new Spy()
  expect(sock.send(new Uint8Array(5))).toBe(1)
  expect(sock.send(new Uint8Array(5), MSG_DONTWAIT, 4)).toBe(1)
  expect(sock.send(new Uint8Array(5), 0, 5)).toBe(0)
  expect(sock.send(new Uint8Array(0))).toBe(0)
  expect(seen).toEqual([5, 0, MSG_NOSIGNAL, 5, 4, MSG_NOSIGNAL | MSG_DONTWAIT])
})

test('recv: a peek leaves the bytes, a length limits them, 0 is the end', () => {
  using sock = new DynSock()
  const buffer = new Uint8Array(8)
  expect(sock.recv(buffer)).toBe(-errnoOf('EAGAIN'))
  sock.pipes.recv.push('abc')
  expect([sock.recv(buffer, MSG_PEEK), sock.recv(buffer, 0, 2), sock.recv(buffer)]).toEqual([3, 2, 1])
  sock.pipes.recv.end()
  expect(sock.recv(buffer)).toBe(0)
})

test('options: ints, booleans and structs', () => {
  const seen: number[][] = []
  class Spy extends ZeroSock {
    protected override sysSetSockOpt(_level: number, _name: number, value: Uint8Array): number {
      seen.push([...value])
      return 0
    }
    protected override sysGetSockOpt(_level: number, _name: number, value: Uint8Array): number {
      new Int32Array(value.buffer)[0] = -7
      return 4
    }
  }
  using sock = new Spy()
  sock.setSockOpt(SOL_SOCKET, SO_LINGER, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))
  sock.setSockOpt(IPPROTO_TCP, TCP_NODELAY, true)
  sock.setSockOpt(SOL_SOCKET, 8, 65536)
  expect(seen.map((bytes) => bytes.length)).toEqual([8, 4, 4])
  expect(new Int32Array(Uint8Array.from(seen[1]!).buffer)[0]).toBe(1)
  expect(new Int32Array(Uint8Array.from(seen[2]!).buffer)[0]).toBe(65536)
  expect(sock.getSockOpt(SOL_SOCKET, 4)).toBe(-7)
  expect(sock.getSockOpt(SOL_SOCKET, 4, new Uint8Array(8))).toBe(4)
})

test('isConnected: connected, closed, or a text; it consumes nothing and never throws', () => {
  const text = (script: FaultScript) => new FaultSock(script).isConnected()
  using sock = new DynSock()
  expect(sock.isConnected()).toEqual({ connected: true })
  sock.pipes.recv.push('x')
  expect([sock.isConnected(), sock.pipes.recv.length]).toEqual([{ connected: true }, 1])
  sock.pipes.recv.take()
  sock.pipes.recv.end()
  expect(sock.isConnected()).toEqual({ connected: false, reason: 'closed' })
  expect(text({ recv: { 1: 'EINTR' } })).toEqual({ connected: true })
  expect(text({ recv: { 1: 'ECONNRESET' } })).toEqual({
    connected: false,
    reason: 'Connection reset by peer (104)',
  })
})

test('names and the rest', () => {
  using sock = new ZeroSock()
  expect([sock.getSockName(), sock.getPeerName()]).toEqual([MOCK_ADDRESS, MOCK_ADDRESS])
  expect([sock.setNonBlocking(), sock.shutdown(SHUT_WR), sock.isSelectable()]).toEqual([0, 0, true])
})

test('bad input: a typed error each', async () => {
  using sock = new ZeroSock()
  const detached = new Uint8Array(4)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const bytes = new Uint8Array(4)
  const type = coded('ERR_INVALID_ARG_TYPE')
  const range = coded('ERR_OUT_OF_RANGE')
  const cases: [unknown, () => unknown][] = [
    [type, () => sock.send(detached)],
    [type, () => sock.recv(detached)],
    [type, () => sock.send('text' as never)],
    [type, () => sock.recv(undefined as never)],
    [type, () => sock.recv(new ArrayBuffer(4) as never)],
    [range, () => sock.recv(new Uint8Array(0))],
    [range, () => sock.recv(bytes, 0, 0)],
    [range, () => sock.recv(bytes, 0, 5)],
    [range, () => sock.send(bytes, 0, 5)],
    [range, () => sock.send(bytes, -1)],
    [range, () => sock.recv(bytes, Number.NaN)],
    [type, () => sock.send(bytes, 'MSG_PEEK' as never)],
    [range, () => sock.listen(-1)],
    [range, () => sock.shutdown(3)],
    [type, () => sock.shutdown(undefined as never)],
    [range, () => sock.setSockOpt(1, 1, Number.NaN)],
    [type, () => sock.setSockOpt(1, 1, null as never)],
    [type, () => sock.getSockOpt(1, 1, detached)],
    [coded('ERR_INVALID_ADDRESS'), () => sock.connect('nowhere')],
    [range, () => sock.waitSync(-1, 1)],
    [range, () => sock.waitSync(Number.NaN, 1)],
    [type, () => sock.waitSync('1' as never, 1)],
    [range, () => sock.waitSync(1, 8)],
    [type, () => sock.waitSync(1, undefined as never)],
    [type, () => sock.waitSync(1, 1, { signal: {} as never })],
    [coded('ERR_UNKNOWN_OPTION'), () => sock.waitSync(1, 1, { timeout: 5 } as never)],
    [type, () => sock.waitManySync({} as never, 1)],
    [coded('ERR_INVALID_ARG_VALUE'), () => sock.waitManySync(new Map([[{}, {}]]) as never, 1)],
    [type, () => sock.waitManySync(new Map([[sock, undefined]]) as never, 1)],
    [type, () => sock.sendCompleteSync(detached)],
    [type, () => sock.sendCompleteSync(5 as never)],
    [range, () => sock.sendCompleteSync('x', { timeout: -1 })],
    [range, () => sock.sendCompleteSync('x', { timeout: Number.NaN })],
    [type, () => sock.sendCompleteSync('x', { timeout: null as never })],
    [coded('ERR_UNKNOWN_OPTION'), () => sock.sendCompleteSync('x', { maxData: 1 } as never)],
    [range, () => sock.recvUntilTerminatorSync(256)],
    [range, () => sock.recvUntilTerminatorSync(-1)],
    [range, () => sock.recvUntilTerminatorSync(1.5)],
    [type, () => sock.recvUntilTerminatorSync('\n' as never)],
    [type, () => sock.recvUntilTerminatorSync(undefined as never)],
    [range, () => sock.recvUntilTerminatorSync(10, { maxData: 0 })],
    [range, () => sock.recvUntilTerminatorSync(10, { timeout: Number.NaN })],
    [coded('ERR_INVALID_ARG_VALUE'), () => sock.recvUntilTerminatorSync(10, { encoding: 'latin1' as never })],
  ]
  for (const [error, call] of cases) expect(call, String(call)).toThrow(error as Error)
  const rejections: [unknown, Promise<unknown>][] = [
    [range, sock.wait(Number.NaN, 1)],
    [range, sock.waitMany(new Map(), -1)],
    [range, sock.sendComplete('x', { timeout: -1 })],
    [type, sock.sendComplete(detached)],
    [range, sock.recvUntilTerminator(256)],
  ]
  for (const [error, promise] of rejections) await expect(promise).rejects.toThrow(error as Error)
})

test('the constants are those of this system', { skip: process.platform !== 'linux' }, () => {
  expect(errnoOf('EPIPE')).toBe(constants.errno.EPIPE)
  expect(() => errnoOf('toString')).toThrow(coded('ERR_INVALID_ARG_VALUE'))
})
