import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  ErrorEvent,
  type EventsPerSock,
  errnoOf,
  RecvEvent,
  SendEvent,
  SO_ERROR,
  SOL_SOCKET,
  ThreadInterrupt,
} from '../src'
import { DynSock, FaultSock, MockClock, ZeroSock } from '../src/mock'
import { TableHost, TableSock } from './table-host'

const coded = (code: string) => expect.objectContaining({ name: 'SockError', code })
const DAY = 86_400_000
const BOTH = RecvEvent | SendEvent

test('the events that occurred, at once, of those asked for', async () => {
  using sock = new DynSock()
  expect([await sock.wait(DAY, BOTH), sock.waitSync(DAY, BOTH)]).toEqual([SendEvent, SendEvent])
  sock.pipes.recv.push('x')
  expect([await sock.wait(DAY, BOTH), sock.waitSync(DAY, RecvEvent)]).toEqual([BOTH, RecvEvent])
  expect(sock.now()).toBe(0)
})

test('0 after the timeout, which takes no time', async () => {
  using sock = new DynSock()
  expect(await sock.wait(DAY, RecvEvent)).toBe(0)
  expect(sock.waitSync(DAY, RecvEvent)).toBe(0)
  expect(sock.now()).toBe(2 * DAY)
  expect([await sock.wait(0, RecvEvent), sock.waitSync(0, RecvEvent), sock.now()]).toEqual([0, 0, 2 * DAY])
})

test('without a timeout, until it occurs', async () => {
  using sock = new DynSock()
  const waited = sock.wait(Number.POSITIVE_INFINITY, RecvEvent)
  for (let count = 0; count < 10; count++) await turn()
  sock.pipes.recv.push('x')
  expect([await waited, sock.now()]).toEqual([RecvEvent, 0])
  sock.pipes.recv.take()
  expect(() => sock.waitSync(Number.POSITIVE_INFINITY, RecvEvent)).toThrow(coded('ERR_SOCK_DEADLOCK'))
})

test('the end of the stream and a reset can be waited for; the error needs no asking', async () => {
  using sock = new DynSock()
  sock.pipes.recv.end()
  expect(await sock.wait(DAY, RecvEvent)).toBe(RecvEvent)
  sock.pipes.recv.reset()
  expect(await sock.wait(DAY, 0)).toBe(ErrorEvent)
  expect(sock.getSockOpt(SOL_SOCKET, SO_ERROR)).toBe(errnoOf('ECONNRESET'))
  expect(sock.getSockOpt(SOL_SOCKET, SO_ERROR)).toBe(0)
})

test('waitMany: one timeout for many, and each is told its own', async () => {
  const clock = new MockClock()
  const socks = [new DynSock({ clock }), new DynSock({ clock }), new DynSock({ clock })] as const
  const map: EventsPerSock = new Map(socks.map((sock) => [sock, { requested: RecvEvent, occurred: 7 }]))
  const occurred = () => [...map.values()].map((events) => events.occurred)
  clock.schedule(50, () => socks[1].pipes.recv.push('x'))
  expect([await socks[0].waitMany(map, DAY), occurred(), clock.now()]).toEqual([1, [0, RecvEvent, 0], 50])
  socks[2].pipes.recv.end()
  expect([socks[0].waitManySync(map, DAY), occurred()]).toEqual([2, [0, RecvEvent, RecvEvent]])
  expect([await socks[0].waitMany(new Map(), 100), clock.now()]).toEqual([0, 150])
  expect([socks[0].waitManySync(new Map(), 100), clock.now()]).toEqual([0, 250])
})

test('waitMany that fails leaves the map as it was', async () => {
  const clock = new MockClock()
  using bad = new FaultSock({ wait: { 1: 'EINVAL', 2: 'EBADF' } }, { clock })
  using good = new DynSock({ clock })
  const map: EventsPerSock = new Map([
    [good, { requested: SendEvent, occurred: 7 }],
    [bad, { requested: SendEvent, occurred: 7 }],
  ])
  await expect(good.waitMany(map, DAY)).rejects.toThrow(coded('EINVAL'))
  expect(() => good.waitManySync(map, DAY)).toThrow(coded('EBADF'))
  expect([...map.values()].map((events) => events.occurred)).toEqual([7, 7])
  expect(await good.waitMany(map, DAY)).toBe(2)
})

test('Socks of different hosts cannot be waited for together', async () => {
  using sock = new DynSock()
  using other = new DynSock()
  const map: EventsPerSock = new Map([[other, { requested: RecvEvent, occurred: 0 }]])
  await expect(sock.waitMany(map, 0)).rejects.toThrow(coded('ERR_INVALID_ARG_VALUE'))
})

test.each([
  ['an AbortSignal', () => new AbortController()],
  ['a ThreadInterrupt', () => new ThreadInterrupt()],
] as const)('%s ends a wait', async (_name, make) => {
  const clock = new MockClock({ jumps: false })
  const maker = make()
  const stop = (): void => (maker instanceof ThreadInterrupt ? maker.interrupt() : maker.abort('enough'))
  const signal = maker instanceof ThreadInterrupt ? maker : maker.signal
  using sock = new DynSock({ clock })
  const waited = sock.wait(DAY, RecvEvent, { signal })
  await turn()
  stop()
  await expect(waited).rejects.toThrow(coded('ABORT_ERR'))
  await expect(sock.wait(DAY, SendEvent, { signal })).rejects.toThrow(coded('ABORT_ERR'))
  expect(() => sock.waitSync(DAY, SendEvent, { signal })).toThrow(coded('ABORT_ERR'))
  expect(clock.now()).toBe(0)
})

test('an interrupt ends a blocking wait, and what occurred before it is not lost', () => {
  const clock = new MockClock()
  const signal = new ThreadInterrupt()
  using sock = new DynSock({ clock })
  clock.schedule(30, () => signal.interrupt())
  expect(() => sock.waitSync(DAY, RecvEvent, { signal })).toThrow(coded('ABORT_ERR'))
  expect(clock.now()).toBe(30)
  signal.reset()
  clock.schedule(30, () => {
    signal.interrupt()
    sock.pipes.recv.push('x')
  })
  expect(sock.waitSync(DAY, RecvEvent, { signal })).toBe(RecvEvent)
})

test('a signal is let go of after the wait', async () => {
  const { signal } = new AbortController()
  const heard: string[] = []
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = function (this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
    heard.push('add')
    addEventListener.apply(this, args)
  } as typeof addEventListener
  signal.removeEventListener = function (this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
    heard.push('remove')
    removeEventListener.apply(this, args)
  } as typeof removeEventListener
  using sock = new ZeroSock()
  await sock.wait(1, RecvEvent, { signal })
  expect(heard).toEqual(['add', 'remove'])
})

test("a host's failure rejects, and lets go of the descriptor", async () => {
  const host = new TableHost()
  const sock = new TableSock(host)
  const waited = sock.wait(1, RecvEvent)
  await turn()
  host.waits[0]?.end(Object.assign(new Error('no thread'), { code: 'ENOMEM' }) as never)
  await expect(waited).rejects.toThrow('no thread')
  sock.close()
  expect([host.open.size, host.mistakes]).toEqual([0, []])
})
