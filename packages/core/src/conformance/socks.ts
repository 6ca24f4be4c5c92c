import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import type { Backend } from '../backend'
import { ThreadInterrupt } from '../interrupt'
import type { EventsPerSock } from '../sock'
import { ErrorEvent, MSG_DONTWAIT, MSG_PEEK, RecvEvent, SendEvent, SHUT_WR } from '../sock/constants'
import type { SockManEvents } from '../sock-man'
import { assertBytes, pattern } from './bytes'
import type { ConformanceOptions, Runner } from './harness'
import { kernelSocks } from './kernel-socks'
import { longest, within } from './limit'
import { sockAdoption } from './sock-adoption'
import { sockAmounts } from './sock-amounts'
import { code, DAY, exchange, inPair, LF, type SockCase, type SockKind, sendText } from './sock-case'
import { sockInput } from './sock-input'

/** Those of Bitcoin Core's `src/test/sock_tests.cpp`, under their names. */
const PARITY: readonly SockCase[] = [
  {
    title: 'sock_tests constructor_and_destructor',
    run(kind) {
      const [one, two] = kind.pair()
      const fds = [one.fd, two.fd]
      assert.deepEqual(fds.map(kind.isOpen), [true, true])
      one.close()
      assert.deepEqual(fds.map(kind.isOpen), [false, true])
      two.close()
      one.close()
      assert.deepEqual(fds.map(kind.isOpen), [false, false])
    },
  },
  {
    title: 'sock_tests move_constructor',
    needs: 'fromFd',
    run: (kind) =>
      inPair(kind, (one) => {
        const fd = one.release()
        const owner = kind.fromFd!(fd)
        one.close()
        assert.equal(kind.isOpen(fd), true)
        owner.close()
        assert.equal(kind.isOpen(fd), false)
      }),
  },
  {
    title: 'sock_tests move_assignment',
    run: (kind) =>
      inPair(kind, (one, two) => {
        const [fd1, fd2] = [one.fd, two.fd]
        two.assignFrom(one as never)
        assert.deepEqual([kind.isOpen(fd1), kind.isOpen(fd2), two.fd], [true, false, fd1])
        one.close()
        assert.equal(kind.isOpen(fd1), true)
        two.close()
        assert.equal(kind.isOpen(fd1), false)
      }),
  },
  {
    title: 'sock_tests send_and_receive',
    run: (kind) =>
      inPair(kind, async (sender, receiver) => {
        exchange(sender, receiver, 'abcd')
        await inPair(kind, (sender2, receiver2) => {
          sender2.assignFrom(sender as never)
          receiver2.assignFrom(receiver as never)
          exchange(sender2, receiver2, 'efgh')
          exchange(receiver2, sender2, 'ijkl')
        })
      }),
  },
  {
    title: 'sock_tests wait',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const waiter = one.wait(DAY, RecvEvent)
        sendText(two, 'a')
        assert.equal(await waiter, RecvEvent)
      }),
  },
  {
    title: 'sock_tests recv_until_terminator_limit',
    run: (kind) =>
      inPair(kind, async (receiver, sender) => {
        const received = receiver.recvUntilTerminator(LF, { timeout: 60_000, maxData: 10 })
        await sender.sendComplete('1234567')
        await sender.sendComplete('890\n')
        await assert.rejects(received, code('ERR_SOCK_MAX_DATA', { maxData: 10 }))
      }),
  },
]

const ROWS: readonly SockCase[] = [
  {
    title: 'release leaves the descriptor open and the Sock empty',
    needs: 'fromFd',
    run: (kind) =>
      inPair(kind, (one, two) => {
        const fd = one.release()
        assert.throws(() => one.send(new Uint8Array(1)), code('ERR_SOCK_EMPTY'))
        const again = kind.fromFd!(fd)
        exchange(two, again, 'still connected')
        again.close()
      }),
  },
  {
    title: 'what is no open socket is refused, and nothing is taken',
    needs: 'fromFd',
    run: (kind) =>
      inPair(kind, (one) => {
        for (const fd of [-1, 2 ** 31, 1.5, Number.NaN]) {
          assert.throws(() => kind.fromFd!(fd), code('ERR_OUT_OF_RANGE'))
        }
        const { fd } = one
        one.close()
        assert.throws(() => kind.fromFd!(fd), code('EBADF'))
      }),
  },
  {
    title: 'non-blocking: EAGAIN without data and without room, a peek leaves the bytes',
    run: (kind) =>
      inPair(kind, (one, two) => {
        const buffer = new Uint8Array(8)
        assert.equal(one.recv(buffer), -11)
        assert.equal(one.lastSocketError, 11)
        sendText(two, 'abc')
        assert.deepEqual([one.recv(buffer, MSG_PEEK), one.recv(buffer, 0, 2), one.recv(buffer)], [3, 2, 1])
        const much = new Uint8Array(1 << 16)
        let result = two.send(much)
        while (result > 0) result = two.send(much, MSG_DONTWAIT)
        assert.equal(result, -11)
        assert.equal(two.waitSync(0, SendEvent), 0)
      }),
  },
  {
    title: 'half-close: the end of the stream, and the other direction goes on',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        one.shutdown(SHUT_WR)
        assert.equal(await two.wait(DAY, RecvEvent), RecvEvent)
        assert.equal(two.recv(new Uint8Array(1)), 0)
        assert.deepEqual(two.isConnected(), { connected: false, reason: 'closed' })
        assert.throws(() => one.send(new Uint8Array(1)), code('EPIPE'))
        exchange(two, one, 'after')
      }),
  },
  {
    title: 'sending to a closed peer is EPIPE and no SIGPIPE; the error needs no asking',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        two.close()
        assert.notEqual((await one.wait(DAY, RecvEvent)) & ErrorEvent, 0)
        assert.notEqual(one.waitSync(DAY, RecvEvent) & ErrorEvent, 0)
        assert.throws(() => one.send(new Uint8Array(1)), code('EPIPE', { syscall: 'send' }))
      }),
  },
  {
    title: 'closing with unread bytes resets the peer: an error once, then the end',
    run: (kind) =>
      inPair(kind, (one, two) => {
        sendText(one, 'unread')
        two.close()
        assert.throws(() => one.recv(new Uint8Array(1)), code('ECONNRESET', { syscall: 'recv' }))
        assert.equal(one.recv(new Uint8Array(1)), 0)
      }),
  },
  {
    title: 'isConnected consumes nothing and never blocks',
    run: (kind) =>
      inPair(kind, (one, two) => {
        assert.deepEqual(one.isConnected(), { connected: true })
        sendText(two, 'x')
        assert.deepEqual([one.isConnected(), one.recv(new Uint8Array(2))], [{ connected: true }, 1])
        one.close()
        assert.deepEqual(one.isConnected(), { connected: false, reason: 'not connected' })
      }),
  },
  {
    title: 'wait is empty after the timeout, and not before',
    run: (kind) =>
      inPair(kind, async (one) => {
        for (const wait of [() => one.wait(60, RecvEvent), () => one.waitSync(60, RecvEvent)]) {
          const before = one.now()
          assert.equal(await wait(), 0)
          // A clock of whole milliseconds may show one less.
          assert.ok(one.now() - before >= 59, `waited ${one.now() - before} ms`)
        }
      }),
  },
  {
    title: 'waitMany: many Socks, each is told its own',
    run: async (kind) => {
      const [[one, other], [two, another]] = [kind.pair(), kind.pair()]
      try {
        const map: EventsPerSock = new Map([
          [one, { requested: RecvEvent, occurred: 7 }],
          [two, { requested: RecvEvent | SendEvent, occurred: 7 }],
        ])
        const occurred = () => [...map.values()].map((events) => events.occurred)
        assert.deepEqual([await one.waitMany(map, DAY), occurred()], [1, [0, SendEvent]])
        sendText(other, 'x')
        sendText(another, 'x')
        assert.deepEqual([one.waitManySync(map, DAY), occurred()], [2, [RecvEvent, RecvEvent | SendEvent]])
      } finally {
        for (const sock of [one, other, two, another]) sock.close()
      }
    },
  },
  {
    title: 'closing a Sock ends its wait with ErrorEvent, and then its descriptor is closed',
    run: (kind) =>
      inPair(kind, async (one) => {
        const { fd } = one
        const waited = one.wait(DAY, RecvEvent)
        assert.throws(() => one.release(), code('ERR_SOCK_BUSY'))
        one.close()
        assert.equal((await waited) & ErrorEvent, ErrorEvent)
        assert.equal(kind.isOpen(fd), false)
      }),
  },
  {
    title: 'an interrupt ends a wait and an algorithm',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const signal = new ThreadInterrupt()
        sendText(two, 'half')
        const waited = [
          one.recvUntilTerminator(LF, { signal, timeout: DAY }),
          two.wait(DAY, RecvEvent, { signal }),
        ]
        const ended = Promise.allSettled(waited)
        signal.interrupt()
        await ended
        await assert.rejects(waited[0]!, code('ABORT_ERR', { received: new TextEncoder().encode('half') }))
        await assert.rejects(waited[1]!, code('ABORT_ERR'))
        assert.throws(() => one.waitSync(DAY, RecvEvent, { signal }), code('ABORT_ERR'))
      }),
  },
  {
    title: 'sendComplete and recvUntilTerminator: megabytes, then not one byte beyond',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const data = pattern(4 << 20).map((byte) => (byte === LF ? 0 : byte))
        const sent = one.sendComplete(data, { timeout: DAY }).then(() => one.sendComplete('\nrest'))
        const received = await two.recvUntilTerminator(LF, { timeout: DAY, maxData: 2 ** 23 })
        await sent
        assertBytes(received, data)
        const rest = new Uint8Array(9)
        assert.equal(two.recv(rest), 4)
        assert.equal(new TextDecoder().decode(rest.subarray(0, 4)), 'rest')
      }),
  },
  {
    title: 'sendComplete to a peer that never reads: the deadline, and exactly the bytes that it says',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const data = pattern(16 << 20)
        const error = await one.sendComplete(data, { timeout: 50 }).catch((error) => error)
        assert.equal(error.code, 'ERR_SOCK_TIMEOUT')
        const buffer = new Uint8Array(data.length)
        let received = 0
        for (let count = 1; count > 0; received += Math.max(count, 0)) {
          count = two.recv(buffer.subarray(received))
        }
        assertBytes(buffer.subarray(0, received), data.subarray(0, error.bytesSent))
      }),
  },
  {
    title: 'recvUntilTerminator: the deadline and the end of the stream are distinct, and no byte is lost',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const received = new TextEncoder().encode('half')
        sendText(two, 'half')
        const late = one.recvUntilTerminator(LF, { timeout: 30 })
        await assert.rejects(late, code('ERR_SOCK_TIMEOUT', { received }))
        sendText(two, 'half')
        two.shutdown(SHUT_WR)
        assert.throws(() => one.recvUntilTerminatorSync(LF), code('ERR_SOCK_EOF', { received }))
      }),
  },
]

/** Why a case cannot run, by what it needs. */
const ABSENT: Readonly<Partial<Record<keyof SockKind, string>>> = {
  fromFd: 'no Sock is made of a descriptor here',
  create: 'these are no sockets of the kernel',
  createSockMan: 'no engine takes these over',
  errorsAlone: 'this mechanism tells an error only as readiness that was asked for',
}

/**
 * Hands what every kind of Sock must do to a test runner: on pairs of connected Unix stream sockets, non-blocking, and
 * on what it can `create`. `SOCKMAN_SUITE=full` for the full sizes.
 */
export function sockConformance(
  kind: SockKind,
  { describe, test, full = process.env.SOCKMAN_SUITE === 'full', patience = 1 }: SockConformanceOptions,
): void {
  describe('Sock', () => {
    const cases = [PARITY, ROWS, kernelSocks, sockInput, sockAdoption, sockAmounts].flat()
    for (const { title, needs, deadline = [10_000, 10_000], run } of cases) {
      if (needs && !(needs === 'errorsAlone' ? (kind.errorsAlone ?? true) : kind[needs])) {
        test.skip(`${title} [skipped: ${ABSENT[needs]}]`, () => {})
        continue
      }
      const limit = deadline[full ? 1 : 0] * patience
      const body = async (): Promise<void> => run(kind, full)
      test(title, () => within(limit, 'the case has not ended', body()), longest(limit) + 5000)
    }
  })
}

/**
 * The same for the Socks of a backend that are descriptors of this process, its adoption included:
 *
 * ```ts
 * nativeSockConformance(backend, { describe, test })
 * ```
 */
export function nativeSockConformance(
  backend: Backend,
  options: SockConformanceOptions &
    Pick<SockKind, 'errorsAlone'> &
    Pick<ConformanceOptions, 'allowUnavailable'>,
): void {
  const { test, errorsAlone = true, allowUnavailable = false } = options
  const probe = backend.probe()
  if (probe.available) {
    const createSockMan = (events: SockManEvents) => backend.createSockMan(events)
    const isOpen = (fd: number) => existsSync(`/proc/self/fd/${fd}`)
    sockConformance({ ...backend.socks!, createSockMan, isOpen, errorsAlone }, options)
    return
  }
  const text = `${backend.name} is unavailable, and its Socks: ${probe.message}`
  if (allowUnavailable) test.skip(text, () => {})
  else test(text, () => Promise.reject(new Error(text)), 1000)
}

export interface SockConformanceOptions extends Runner {
  /** The full size; default whether the environment says `SOCKMAN_SUITE=full`. */
  full?: boolean
  /** Factor on every deadline, for a build that a sanitizer slows down; default 1. */
  patience?: number
}
