import { expect, test } from 'vitest'
import { MSG_PEEK, ThreadInterrupt } from '../src'
import { DynSock, FaultSock, MockClock, StaticContentsSock, ZeroSock } from '../src/mock'
import { twins } from './twins'

const LF = 10
const bytes = (text: string) => new TextEncoder().encode(text)
const coded = (code: string, more: object = {}) =>
  expect.objectContaining({ name: 'SockError', code, ...more })

twins('recvUntilTerminator', ({ recvUntilTerminator }) => {
  test('what came before the terminator, and never one byte beyond', async () => {
    using sock = new StaticContentsSock('one\ntwo\n\nrest')
    expect(await recvUntilTerminator(sock, LF)).toEqual(bytes('one'))
    expect(sock.rest).toEqual(bytes('two\n\nrest'))
    expect(await recvUntilTerminator(sock, LF, { encoding: 'utf8' })).toBe('two')
    expect(await recvUntilTerminator(sock, LF)).toEqual(new Uint8Array(0))
    expect(sock.rest).toEqual(bytes('rest'))
  })

  test('peeks 512 bytes at a time, reads as often, waits for nothing that is there', async () => {
    const calls: string[] = []
    class Spy extends StaticContentsSock {
      override ready(requested: number): number {
        calls.push('wait')
        return super.ready(requested)
      }
      protected override sysRecv(buffer: Uint8Array, length: number, flags: number): number {
        calls.push(`${flags & MSG_PEEK ? 'peek' : 'recv'} ${length}`)
        return super.sysRecv(buffer, length, flags)
      }
    }
    using sock = new Spy(`${'x'.repeat(1000)}\nyz`)
    expect(await recvUntilTerminator(sock, LF)).toEqual(bytes('x'.repeat(1000)))
    expect(calls).toEqual(['peek 512', 'recv 512', 'peek 512', 'recv 489'])
    expect(sock.rest).toEqual(bytes('yz'))
  })

  test('the result is memory of its own', async () => {
    using sock = new StaticContentsSock('one\ntwo\n')
    const one = (await recvUntilTerminator(sock, LF)) as Uint8Array
    await recvUntilTerminator(sock, LF)
    expect([one, one.buffer.byteLength]).toEqual([bytes('one'), 3])
  })

  test('every byte can be the terminator', async () => {
    const all = Uint8Array.from({ length: 256 }, (_, value) => value)
    for (const terminator of [0, 1, 127, 128, 255]) {
      using sock = new StaticContentsSock(all)
      expect(await recvUntilTerminator(sock, terminator)).toEqual(all.subarray(0, terminator))
      expect(sock.rest).toEqual(all.subarray(terminator + 1))
    }
  })

  test('bytes that come one by one, with transient errors in between', async () => {
    const clock = new MockClock()
    using sock = new FaultSock(
      { recv: { 2: 'EINTR', 4: 'EAGAIN', 5: 'EINTR' }, wait: { 1: 'EINTR' } },
      { clock },
    )
    for (const [index, letter] of [...'hello\nrest'].entries()) {
      clock.schedule(700 * index, () => sock.pipes.recv.push(letter))
    }
    expect(await recvUntilTerminator(sock, LF, { encoding: 'utf8' })).toBe('hello')
    expect([clock.now(), sock.pipes.recv.length, sock.unmet]).toEqual([3500, 0, []])
  })

  test('found in the last moment: returned at once, whatever deadline and interrupt say', async () => {
    const signal = new ThreadInterrupt()
    signal.interrupt()
    using sock = new StaticContentsSock('line\n')
    expect(await recvUntilTerminator(sock, LF, { timeout: 0, signal, encoding: 'utf8' })).toBe('line')
    expect(sock.now()).toBe(0)
  })

  test('maxData counts the terminator', async () => {
    using sock = new StaticContentsSock('123456789\n1234567890\n')
    expect(await recvUntilTerminator(sock, LF, { maxData: 10 })).toEqual(bytes('123456789'))
    await expect(recvUntilTerminator(sock, LF, { maxData: 10 })).rejects.toThrow(
      coded('ERR_SOCK_MAX_DATA', { maxData: 10, received: bytes('1234567890') }),
    )
    expect(sock.rest).toEqual(bytes('\n'))
  })

  test('an endless line ends at maxData', async () => {
    using sock = new ZeroSock()
    await expect(recvUntilTerminator(sock, LF)).rejects.toThrow(
      coded('ERR_SOCK_MAX_DATA', { maxData: 65536 }),
    )
    const error = await recvUntilTerminator(sock, LF, { maxData: 2 ** 20 + 1 }).catch((error) => error)
    expect([error.code, error.received.length]).toEqual(['ERR_SOCK_MAX_DATA', 2 ** 20 + 1])
  })

  test('the end of the stream, a reset: distinct, and what was consumed is not lost', async () => {
    using sock = new StaticContentsSock('half')
    await expect(recvUntilTerminator(sock, LF)).rejects.toThrow(
      coded('ERR_SOCK_EOF', { received: bytes('half') }),
    )
    using broken = new DynSock()
    broken.pipes.recv.push('half')
    broken.pipes.recv.reset()
    await expect(recvUntilTerminator(broken, LF)).rejects.toThrow(
      coded('ECONNRESET', { received: bytes('half'), syscall: 'recv' }),
    )
    await expect(recvUntilTerminator(broken, LF)).rejects.toThrow(coded('ERR_SOCK_EOF'))
  })

  test('the deadline, also during steady progress', async () => {
    const clock = new MockClock()
    using sock = new DynSock({ clock })
    const drip = (): void => {
      sock.pipes.recv.push('x')
      clock.schedule(100, drip)
    }
    drip()
    await expect(recvUntilTerminator(sock, LF, { timeout: 950 })).rejects.toThrow(
      coded('ERR_SOCK_TIMEOUT', { received: bytes('x'.repeat(10)) }),
    )
    expect(clock.now()).toBe(950)
  })

  test('an interrupt', async () => {
    const clock = new MockClock()
    const signal = new ThreadInterrupt()
    using sock = new DynSock({ clock })
    sock.pipes.recv.push('half')
    clock.schedule(77, () => signal.interrupt())
    await expect(recvUntilTerminator(sock, LF, { signal })).rejects.toThrow(
      coded('ABORT_ERR', { received: bytes('half'), cause: expect.anything() }),
    )
    expect(clock.now()).toBe(77)
  })

  test('invalid UTF-8 is an error with the bytes, a byte order mark stays', async () => {
    using sock = new StaticContentsSock(Uint8Array.of(0xff, 0x41, LF, 0xef, 0xbb, 0xbf, LF))
    await expect(recvUntilTerminator(sock, LF, { encoding: 'utf8' })).rejects.toThrow(
      coded('ERR_INVALID_UTF8', { received: Uint8Array.of(0xff, 0x41) }),
    )
    expect(await recvUntilTerminator(sock, LF, { encoding: 'utf8' })).toBe('\ufeff')
  })

  test('another reader between peek and read: short is fine, beyond the terminator is an error', async () => {
    using short = new FaultSock({ recv: { 2: 2, 4: 1 } })
    short.pipes.recv.push('abcd\nrest')
    expect(await recvUntilTerminator(short, LF, { encoding: 'utf8' })).toBe('abcd')
    expect(short.pipes.recv.takeText()).toBe('rest')

    class Robbed extends StaticContentsSock {
      protected override sysRecv(buffer: Uint8Array, length: number, flags: number): number {
        const count = super.sysRecv(buffer, length, flags)
        if ((flags & MSG_PEEK) === 0) buffer.set(bytes('\nb'), 0)
        return count
      }
    }
    using robbed = new Robbed('abc\n')
    await expect(recvUntilTerminator(robbed, LF)).rejects.toThrow(coded('ERR_SOCK_PEEK'))
  })
})

test('closed meanwhile: ERR_SOCK_EMPTY with what was consumed', async () => {
  const clock = new MockClock()
  const sock = new DynSock({ clock })
  sock.pipes.recv.push('half')
  clock.schedule(5, () => sock.close())
  await expect(sock.recvUntilTerminator(LF)).rejects.toThrow(
    coded('ERR_SOCK_EMPTY', { received: bytes('half') }),
  )
})

test('a flood without terminator lets the rest of the program run', async () => {
  using sock = new ZeroSock()
  let over = false
  let turns = 0
  const received = sock.recvUntilTerminator(LF, { maxData: 2 ** 20 }).finally(() => {
    over = true
  })
  const others = (async () => {
    for (; !over; turns++) await null
  })()
  await expect(received).rejects.toThrow(coded('ERR_SOCK_MAX_DATA'))
  await others
  expect(turns).toBeGreaterThan(10)
})
