import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ErrorEvent, errnoOf, MSG_PEEK, RecvEvent, SendEvent, SHUT_RD, SHUT_WR, SockAddr } from '../src'
import {
  ByteSource,
  DynSock,
  FaultSock,
  FuzzedSock,
  MOCK_ADDRESS,
  MockClock,
  Pipe,
  StaticContentsSock,
  ZeroSock,
} from '../src/mock'

const coded = (code: string) => expect.objectContaining({ name: 'SockError', code })
const BOTH = RecvEvent | SendEvent
const EAGAIN = -errnoOf('EAGAIN')

test('each mock has a descriptor of its own that is no real one', () => {
  const [one, two] = [new ZeroSock(), new ZeroSock()]
  expect(one.fd).not.toBe(two.fd)
  expect(Math.min(one.fd, two.fd)).toBeGreaterThan(2 ** 30)
})

test('ZeroSock: everything succeeds, zeros without end', async () => {
  using sock = new ZeroSock()
  const buffer = new Uint8Array(4).fill(7)
  expect([sock.recv(buffer, 0, 3), [...buffer]]).toEqual([3, [0, 0, 0, 7]])
  expect(sock.send(buffer)).toBe(4)
  expect([sock.connect('1.2.3.4:5'), sock.bind('1.2.3.4:5'), sock.listen(1)]).toEqual([0, 0, 0])
  expect([await sock.wait(1, BOTH), sock.waitSync(1, RecvEvent)]).toEqual([BOTH, RecvEvent])
  expect(sock.accept()).toEqual({ sock: expect.any(ZeroSock), them: MOCK_ADDRESS })
  expect([MOCK_ADDRESS.toString(), sock.isConnected()]).toEqual(['5.5.5.5:6789', { connected: true }])
})

test('StaticContentsSock: the bytes, then the end; a peek leaves them', () => {
  using sock = new StaticContentsSock(Uint8Array.of(1, 2, 3))
  const buffer = new Uint8Array(2)
  expect([sock.recv(buffer, MSG_PEEK), sock.recv(buffer), sock.recv(buffer), sock.recv(buffer)]).toEqual([
    2, 2, 1, 0,
  ])
  expect([sock.send(buffer), sock.isConnected()]).toEqual([2, { connected: false, reason: 'closed' }])
  const accepted = sock.accept()
  expect(accepted).toEqual({ sock: expect.any(StaticContentsSock), them: MOCK_ADDRESS })
})

test('DynSock: a queue of prepared connections, EAGAIN when it is empty', async () => {
  const clock = new MockClock()
  using listener = new DynSock({ clock })
  const client = new DynSock({ clock })
  expect([listener.accept(), listener.waitSync(0, RecvEvent)]).toEqual([EAGAIN, 0])
  const waited = listener.wait(1000, RecvEvent)
  const them = SockAddr.parse('[::1]:4')
  listener.queueAccept(client, them)
  expect(await waited).toBe(RecvEvent)
  expect(listener.accept()).toEqual({ sock: client, them })
  expect(listener.accept()).toBe(EAGAIN)
})

test('DynSock.pair: two connected ones, with room as given', async () => {
  const [one, two] = DynSock.pair(new MockClock(), 4)
  expect([one.send(Uint8Array.of(1, 2, 3, 4, 5)), one.send(Uint8Array.of(5))]).toEqual([4, EAGAIN])
  expect(one.waitSync(0, BOTH)).toBe(0)
  const buffer = new Uint8Array(8)
  expect([two.recv(buffer), two.recv(buffer), [...buffer.subarray(0, 4)]]).toEqual([4, EAGAIN, [1, 2, 3, 4]])
  expect(one.waitSync(0, BOTH)).toBe(SendEvent)
})

test('DynSock: half-close, close, close with unread bytes', () => {
  const buffer = new Uint8Array(8)
  const [one, two] = DynSock.pair()
  one.shutdown(SHUT_WR)
  expect(() => one.send(buffer)).toThrow(coded('EPIPE'))
  expect([two.recv(buffer), two.send(buffer), one.recv(buffer)]).toEqual([0, 8, 8])
  two.close()
  expect([one.recv(buffer), one.waitSync(0, 0)]).toEqual([0, ErrorEvent])

  const [three, four] = DynSock.pair()
  three.send(buffer)
  four.close()
  expect(() => three.recv(buffer)).toThrow(coded('ECONNRESET'))
  expect(three.recv(buffer)).toBe(0)
  expect(() => three.send(buffer)).toThrow(coded('EPIPE'))

  const [five, six] = DynSock.pair()
  six.shutdown(SHUT_RD)
  expect(() => five.send(buffer)).toThrow(coded('EPIPE'))
})

test('DynSock: a reset comes after the bytes before it, once, to whichever call is first', () => {
  const buffer = new Uint8Array(8)
  using sock = new DynSock()
  sock.pipes.recv.push('abc')
  sock.pipes.recv.reset('ETIMEDOUT')
  expect(sock.waitSync(0, BOTH)).toBe(BOTH | ErrorEvent)
  expect(sock.recv(buffer)).toBe(3)
  expect(() => sock.recv(buffer)).toThrow(coded('ETIMEDOUT'))
  expect(sock.recv(buffer)).toBe(0)
  using other = new DynSock()
  other.pipes.recv.reset()
  expect(() => other.send(buffer)).toThrow(coded('ECONNRESET'))
  expect(() => other.send(buffer)).toThrow(coded('EPIPE'))
  expect(other.recv(buffer)).toBe(0)
})

test('a pipe closed by its Sock ends at the test as well', () => {
  const sock = new DynSock()
  const { pipes } = sock
  sock.send(Uint8Array.of(1))
  sock.close()
  expect([pipes.send.ended, pipes.send.length]).toEqual([true, 1])
  expect(() => pipes.recv.push('x')).toThrow(coded('EPIPE'))
  expect(() => new Pipe(sock.clock, 0)).toThrow(coded('ERR_OUT_OF_RANGE'))
})

test('FaultSock: the third send fails, and what was not met is told', async () => {
  using sock = new FaultSock({ send: { 1: 2, 3: 'EPIPE' }, accept: { 1: 'EMFILE' }, wait: { 1: 'EINTR' } })
  const data = Uint8Array.of(1, 2, 3)
  expect([sock.send(data), sock.send(data), sock.unmet]).toEqual([
    2,
    3,
    ['send 3: EPIPE', 'accept 1: EMFILE', 'wait 1: EINTR'],
  ])
  expect(() => sock.send(data)).toThrow(coded('EPIPE'))
  expect(() => sock.accept()).toThrow(coded('EMFILE'))
  expect([await sock.wait(1000, RecvEvent), sock.now()]).toEqual([0, 0])
  expect([sock.unmet, sock.send(data), sock.pipes.send.length]).toEqual([[], 3, 8])
})

test('FaultSock: every call can fail', () => {
  const calls: [string, (sock: FaultSock) => unknown][] = [
    ['send', (sock) => sock.send(new Uint8Array(1))],
    ['recv', (sock) => sock.recv(new Uint8Array(1))],
    ['connect', (sock) => sock.connect('1.2.3.4:5')],
    ['bind', (sock) => sock.bind('1.2.3.4:5')],
    ['listen', (sock) => sock.listen()],
    ['accept', (sock) => sock.accept()],
    ['getsockopt', (sock) => sock.getSockOpt(1, 4)],
    ['setsockopt', (sock) => sock.setSockOpt(1, 2, 1)],
    ['getsockname', (sock) => sock.getSockName()],
    ['getpeername', (sock) => sock.getPeerName()],
    ['setnonblocking', (sock) => sock.setNonBlocking()],
    ['shutdown', (sock) => sock.shutdown(1)],
    ['wait', (sock) => sock.waitSync(0, 1)],
  ]
  for (const [name, call] of calls) {
    const sock = new FaultSock({ [name]: { 1: 'EFAULT' } })
    expect(() => call(sock), name).toThrow(coded('EFAULT'))
    expect(sock.unmet).toEqual([])
  }
})

test.each([
  [{ sends: { 1: 'EPIPE' } }, 'ERR_INVALID_ARG_VALUE'],
  [{ send: { 0: 'EPIPE' } }, 'ERR_OUT_OF_RANGE'],
  [{ send: { 1: 'EWHAT' } }, 'ERR_INVALID_ARG_VALUE'],
  [{ send: { 1: -3 } }, 'ERR_OUT_OF_RANGE'],
  [{ accept: { 1: 3 } }, 'ERR_OUT_OF_RANGE'],
])('the script %o is refused', (script, code) => {
  expect(() => new FaultSock(script as never)).toThrow(coded(code))
})

test('FuzzedSock: peeked bytes come back, and an empty source ends every retry loop', async () => {
  for (let seed = 0; seed < 2000; seed++) {
    using sock = new FuzzedSock(seed)
    const [peeked, read] = [new Uint8Array(64), new Uint8Array(64)]
    for (let round = 0; round < 20; round++) {
      try {
        const count = sock.recv(peeked, MSG_PEEK)
        let got = 0
        while (got < count) {
          const more = sock.recv(read, 0, count - got)
          if (more === -errnoOf('EINTR')) continue
          expect([seed, [...read.subarray(0, more)]]).toEqual([seed, [...peeked.subarray(got, got + more)]])
          got += more
        }
      } catch (error) {
        expect(error).toEqual(expect.objectContaining({ name: 'SockError', syscall: 'recv' }))
      }
    }
  }
  using dry = new FuzzedSock(new Uint8Array(0))
  const bytes = new Uint8Array(4)
  for (const call of [
    () => dry.send(bytes),
    () => dry.recv(bytes),
    () => dry.connect('1.2.3.4:5'),
    () => dry.bind('1.2.3.4:5'),
    () => dry.listen(),
    () => dry.accept(),
    () => dry.getSockOpt(1, 4),
    () => dry.setSockOpt(1, 4, 1),
    () => dry.getSockName(),
    () => dry.getPeerName(),
    () => dry.setNonBlocking(),
    () => dry.shutdown(0),
    () => dry.waitSync(1000, 1),
  ]) {
    expect(call).toThrow(expect.objectContaining({ name: 'SockError', errno: expect.any(Number) }))
  }
  expect(dry.isSelectable()).toBe(false)
})

test('FuzzedSock: every errno of send and recv, short counts and both ends of a wait do come', async () => {
  const seen = new Set<string>()
  const note = (call: string, act: () => number | object): void => {
    try {
      const result = act()
      seen.add(typeof result === 'object' || result > 0 ? `${call} ok` : `${call} ${result}`)
    } catch (error) {
      seen.add(`${call} ${(error as { errno?: number }).errno}`)
    }
  }
  const data = new Uint8Array(4)
  for (let seed = 0; seed < 5000; seed++) {
    const sock = new FuzzedSock(seed)
    note('send', () => sock.send(data))
    note('recv', () => sock.recv(data))
    note('wait', () => sock.waitSync(10, 1))
    note('accept', () => sock.accept())
    note('connect', () => sock.connect('1.2.3.4:5'))
  }
  const of = (call: string) => [...seen].filter((each) => each.startsWith(`${call} `)).length
  // send: 17 errnos, a count, 0; recv: 9 errnos, a count, 0; wait: EBADF, EINVAL, an event, nothing; accept: 4 and one;
  // connect: 8 and success.
  expect([of('send'), of('recv'), of('wait'), of('accept'), of('connect')]).toEqual([19, 11, 4, 5, 9])
})

test('ByteSource: the bytes, or those of a seed, then zeros', () => {
  const given = new ByteSource(Uint8Array.of(1, 2, 255, 7))
  expect([given.boolean(), given.integer(10, 20), given.byte(), given.pick(['a', 'b'])]).toEqual([
    true,
    12,
    255,
    'b',
  ])
  expect([given.exhausted, given.byte(), given.boolean(), given.integer(5, 9)]).toEqual([true, 0, false, 5])
  const draw = (seed: number): number[] => {
    const source = new ByteSource(seed)
    const drawn: number[] = []
    while (!source.exhausted) drawn.push(source.byte())
    return drawn
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  expect(new ByteSource(5).integer(0, 70_000)).toBeLessThanOrEqual(70_000)
  for (const seed of [-1, 1.5, 2 ** 32]) expect(() => new ByteSource(seed)).toThrow(coded('ERR_OUT_OF_RANGE'))
})

test('MockClock: what is due happens in order of time, deadlines among it', async () => {
  const clock = new MockClock({ jumps: false })
  using sock = new DynSock({ clock })
  const order: string[] = []
  const waited = sock.wait(20, RecvEvent).then((events) => order.push(`wait ${events} at ${clock.now()}`))
  clock.schedule(30, () => order.push(`c at ${clock.now()}`))
  clock.schedule(10, () => {
    order.push(`a at ${clock.now()}`)
    clock.schedule(5, () => order.push(`b at ${clock.now()}`))
  })
  for (let count = 0; count < 5; count++) await turn()
  expect([order, clock.now()]).toEqual([[], 0])
  clock.advance(16)
  expect(order).toEqual(['a at 10', 'b at 15'])
  clock.advance(4)
  await waited
  expect(order.slice(2)).toEqual(['wait 0 at 20'])
  clock.advance(100)
  expect([order.slice(3), clock.now()]).toEqual([['c at 30'], 120])
  for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => clock.advance(ms)).toThrow(coded('ERR_OUT_OF_RANGE'))
    expect(() => clock.schedule(ms, () => {})).toThrow(coded('ERR_OUT_OF_RANGE'))
  }
})

test('MockClock: no jump while the program does something', async () => {
  const clock = new MockClock()
  const [one, two] = DynSock.pair(clock)
  const reader = two.recvUntilTerminator(10, { timeout: 1, encoding: 'utf8' })
  for (const letter of 'slowly') {
    one.send(new TextEncoder().encode(letter))
    await turn()
  }
  one.send(Uint8Array.of(10))
  expect([await reader, clock.now()]).toEqual(['slowly', 0])
})

test('MockClock: two sides that wait for each other', async () => {
  const clock = new MockClock()
  const [client, server] = DynSock.pair(clock, 3)
  const serve = async (): Promise<void> => {
    for (let count = 0; count < 50; count++) {
      const line = await server.recvUntilTerminator(10, { encoding: 'utf8' })
      await server.sendComplete(`${line.toUpperCase()}\n`)
    }
  }
  const served = serve()
  for (let count = 0; count < 50; count++) {
    await client.sendComplete('hello there\n')
    expect(await client.recvUntilTerminator(10, { encoding: 'utf8' })).toBe('HELLO THERE')
  }
  await served
  expect(clock.now()).toBe(0)
})
