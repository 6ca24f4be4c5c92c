import { expect, test } from 'vitest'
import { errnoOf, SO_ERROR, SOL_SOCKET, ThreadInterrupt } from '../src'
import { DynSock, type FaultScript, FaultSock, MockClock, Pipe } from '../src/mock'
import { twins } from './twins'

const coded = (code: string, more: object = {}) =>
  expect.objectContaining({ name: 'SockError', code, ...more })

twins('sendComplete', ({ sendComplete }) => {
  test('bytes, and a string as UTF-8', async () => {
    using sock = new DynSock()
    await sendComplete(sock, Uint8Array.of(1, 2, 3))
    expect([...sock.pipes.send.take()]).toEqual([1, 2, 3])
    await sendComplete(sock, 'für 5 €')
    expect(sock.pipes.send.takeText()).toBe('für 5 €')
  })

  test('nothing to send makes no call', async () => {
    using sock = new FaultSock({ send: { 1: 'EPIPE' } })
    await sendComplete(sock, '')
    await sendComplete(sock, new Uint8Array(0))
    expect(sock.unmet).toEqual(['send 1: EPIPE'])
  })

  test('short writes and transient errors are gone on from', async () => {
    const script: FaultScript = {
      send: { 1: 3, 2: 'EAGAIN', 3: 'EINTR', 4: 1, 5: 'EINPROGRESS' },
      wait: { 2: 'EINTR' },
    }
    using sock = new FaultSock(script)
    await sendComplete(sock, 'abcdefgh')
    expect([sock.pipes.send.takeText(), sock.unmet]).toEqual(['abcdefgh', []])
  })

  test('waits for room, without asking more often than there is', async () => {
    const clock = new MockClock()
    const pipes = { recv: new Pipe(clock), send: new Pipe(clock, 10) }
    let sends = 0
    class Counting extends DynSock {
      protected override sysSend(data: Uint8Array, offset: number, flags: number): number {
        sends++
        return super.sysSend(data, offset, flags)
      }
    }
    using sock = new Counting({ clock, pipes })
    let taken = ''
    for (let count = 1; count <= 3; count++) {
      clock.schedule(100 * count, () => {
        taken += pipes.send.takeText()
      })
    }
    await sendComplete(sock, 'x'.repeat(35))
    expect([taken.length, pipes.send.length, sends, clock.now()]).toEqual([30, 5, 4, 300])
  })

  test('a permanent error says how many bytes went out', async () => {
    using sock = new FaultSock({ send: { 1: 3, 2: 'EAGAIN', 3: 'EPIPE' } })
    await expect(sendComplete(sock, 'abcdefgh')).rejects.toThrow(
      coded('EPIPE', { bytesSent: 3, errno: -errnoOf('EPIPE'), syscall: 'send' }),
    )
  })

  test('a wait that fails says so too', async () => {
    using sock = new FaultSock({ send: { 1: 3 }, wait: { 1: 'EBADF' } })
    await expect(sendComplete(sock, 'abcdefgh')).rejects.toThrow(coded('EBADF', { bytesSent: 3 }))
  })

  test('the deadline of a peer that does not read', async () => {
    const clock = new MockClock()
    using sock = new DynSock({ clock, pipes: { recv: new Pipe(clock), send: new Pipe(clock, 10) } })
    await expect(sendComplete(sock, 'x'.repeat(35), { timeout: 12_345 })).rejects.toThrow(
      coded('ERR_SOCK_TIMEOUT', { bytesSent: 10 }),
    )
    expect(clock.now()).toBe(12_345)
  })

  test('the deadline during steady progress', async () => {
    const clock = new MockClock()
    using sock = new DynSock({ clock, pipes: { recv: new Pipe(clock), send: new Pipe(clock, 10) } })
    const drain = (): void => {
      sock.pipes.send.take()
      clock.schedule(100, drain)
    }
    clock.schedule(100, drain)
    await expect(sendComplete(sock, 'x'.repeat(10_000), { timeout: 950 })).rejects.toThrow(
      coded('ERR_SOCK_TIMEOUT', { bytesSent: 100 }),
    )
    expect(clock.now()).toBe(950)
  })

  test('a timeout of 0 is one attempt', async () => {
    using sock = new FaultSock({ send: { 2: 2 } })
    await sendComplete(sock, 'abc', { timeout: 0 })
    await expect(sendComplete(sock, 'abc', { timeout: 0 })).rejects.toThrow(
      coded('ERR_SOCK_TIMEOUT', { bytesSent: 2 }),
    )
  })

  test('an interrupt during steady progress', async () => {
    const clock = new MockClock()
    const signal = new ThreadInterrupt()
    using sock = new DynSock({ clock, pipes: { recv: new Pipe(clock), send: new Pipe(clock, 10) } })
    for (let count = 1; count <= 9; count++) {
      clock.schedule(100 * count, () => {
        if (count === 3) signal.interrupt()
        sock.pipes.send.take()
      })
    }
    await expect(sendComplete(sock, 'x'.repeat(1000), { signal })).rejects.toThrow(
      coded('ABORT_ERR', { bytesSent: 40, cause: expect.anything() }),
    )
    expect(clock.now()).toBe(300)
  })

  test('what was finished is not interrupted', async () => {
    const signal = new ThreadInterrupt()
    signal.interrupt()
    using sock = new DynSock()
    await sendComplete(sock, 'abc', { signal })
    expect(sock.pipes.send.takeText()).toBe('abc')
  })

  test('a reset while waiting for room', async () => {
    const clock = new MockClock()
    using sock = new DynSock({ clock, pipes: { recv: new Pipe(clock), send: new Pipe(clock, 10) } })
    clock.schedule(20, () => sock.pipes.recv.reset())
    await expect(sendComplete(sock, 'x'.repeat(35))).rejects.toThrow(coded('ECONNRESET', { bytesSent: 10 }))
    await expect(sendComplete(sock, 'x')).rejects.toThrow(coded('EPIPE', { bytesSent: 0 }))
    expect(sock.getSockOpt(SOL_SOCKET, SO_ERROR)).toBe(0)
  })
})

test('closed meanwhile: ERR_SOCK_EMPTY with what went out', async () => {
  const clock = new MockClock()
  const sock = new DynSock({ clock, pipes: { recv: new Pipe(clock), send: new Pipe(clock, 10) } })
  const sent = sock.sendComplete('x'.repeat(35))
  clock.schedule(5, () => sock.close())
  await expect(sent).rejects.toThrow(coded('ERR_SOCK_EMPTY', { bytesSent: 10 }))
})

test('an AbortSignal, with its reason as the cause', async () => {
  const clock = new MockClock()
  const controller = new AbortController()
  using sock = new DynSock({ clock, pipes: { recv: new Pipe(clock), send: new Pipe(clock, 10) } })
  const sent = sock.sendComplete('x'.repeat(35), { signal: controller.signal })
  clock.schedule(5, () => controller.abort('enough'))
  await expect(sent).rejects.toThrow(coded('ABORT_ERR', { bytesSent: 10, cause: 'enough' }))
})

test('memory that is detached while it is being sent', async () => {
  const clock = new MockClock()
  using sock = new DynSock({ clock, pipes: { recv: new Pipe(clock), send: new Pipe(clock, 10) } })
  const data = new Uint8Array(35)
  const sent = sock.sendComplete(data)
  clock.schedule(5, () => {
    structuredClone(data.buffer, { transfer: [data.buffer] })
    sock.pipes.send.take()
  })
  await expect(sent).rejects.toThrow(coded('ERR_INVALID_ARG_TYPE', { bytesSent: 10 }))
})
