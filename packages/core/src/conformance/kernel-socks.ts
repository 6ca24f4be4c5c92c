import assert from 'node:assert/strict'
import { once, setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { AddressFamily, SockAddr } from '../address'
import { errnoOf } from '../errors'
import { ThreadInterrupt } from '../interrupt'
import type { EventsPerSock, Sock } from '../sock'
import {
  ErrorEvent,
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_PEEK,
  RecvEvent,
  SendEvent,
  SHUT_WR,
  SO_ERROR,
  SO_LINGER,
  SO_SNDBUF,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../sock/constants'
import { assertBytes, pattern } from './bytes'
import { code, DAY, inPair, LF, recvText, type SockCase, type SockKind, sendText } from './sock-case'

const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6', 'unix']
const FOREVER = Number.POSITIVE_INFINITY
/** `{ l_onoff: 1, l_linger: 0 }`: close resets. */
const RESET = new Uint8Array(new Int32Array([1, 0]).buffer)
let names = 0

const anyAddress = (family: AddressFamily): string =>
  ({
    ipv4: '127.0.0.1:0',
    ipv6: '[::1]:0',
    unix: `unix:@sockman-${process.pid}-${performance.now()}-${names++}`,
  })[family]

interface Connected {
  readonly listener: Sock
  readonly client: Sock
  readonly served: Sock
  readonly them: SockAddr
}

/** Connects two Socks through a listening one, waits for each step, and closes all three afterwards. */
async function inConnection(
  kind: SockKind,
  family: AddressFamily,
  body: (connected: Connected) => Promise<void> | void,
): Promise<void> {
  const [listener, client] = [kind.create!(family), kind.create!(family)]
  let served: Sock | undefined
  try {
    listener.bind(anyAddress(family))
    listener.listen()
    assert.equal(listener.accept(), -errnoOf('EAGAIN'))
    const result = client.connect(listener.getSockName())
    assert.ok(result === 0 || result === -errnoOf('EINPROGRESS'))
    assert.equal(await client.wait(DAY, SendEvent), SendEvent)
    assert.equal(client.getSockOpt(SOL_SOCKET, SO_ERROR), 0)
    assert.equal(await listener.wait(DAY, RecvEvent), RecvEvent)
    const accepted = listener.accept()
    assert.ok(typeof accepted === 'object')
    served = accepted.sock
    await body({ listener, client, served, them: accepted.them })
  } finally {
    for (const sock of [listener, client, served]) sock?.close()
  }
}

/** Reads until the end of the stream, an error, or nothing is there. */
function drain(sock: Sock): Uint8Array {
  const chunks: Uint8Array[] = []
  for (;;) {
    const buffer = new Uint8Array(1 << 16)
    const count = sock.recv(buffer)
    if (count <= 0) return Buffer.concat(chunks)
    chunks.push(buffer.subarray(0, count))
  }
}

/** `pairs` pairs, closed afterwards. */
async function inPairs(
  kind: SockKind,
  pairs: number,
  body: (ones: Sock[], twos: Sock[]) => Promise<void>,
): Promise<void> {
  const all = Array.from({ length: pairs }, () => kind.pair())
  try {
    await body(
      all.map(([one]) => one),
      all.map(([, two]) => two),
    )
  } finally {
    for (const sock of all.flat()) sock.close()
  }
}

/** Calls `block` while a worker interrupts it, `times` times; each must end with `ABORT_ERR`. */
async function assertRungOut(times: number, block: (signal: ThreadInterrupt) => unknown): Promise<void> {
  const interrupt = new ThreadInterrupt()
  const about = new Int32Array(new SharedArrayBuffer(8))
  const workerData = { interrupt: interrupt.share(), about }
  const worker = new Worker(new URL('./ringer.js', import.meta.url), { workerData })
  const exited = once(worker, 'exit')
  const next = (): void => {
    Atomics.add(about, 0, 1)
    Atomics.notify(about, 0)
  }
  try {
    await once(worker, 'message')
    for (let time = 0; time < times; time++) {
      next()
      assert.throws(() => block(interrupt), code('ABORT_ERR'))
      interrupt.reset()
    }
  } finally {
    Atomics.store(about, 1, 1)
    next()
    await exited
  }
}

const perFamily: SockCase[] = FAMILIES.flatMap((family): SockCase[] => [
  {
    title: `${family}: bind, listen, connect, accept, and who is who`,
    needs: 'create',
    run: (kind) =>
      inConnection(kind, family, ({ listener, client, served, them }) => {
        assert.equal(client.getPeerName().toString(), listener.getSockName().toString())
        assert.equal(them.toString(), client.getSockName().toString())
        assert.equal(served.getPeerName().toString(), them.toString())
        assert.equal(served.getSockName().toString(), listener.getSockName().toString())
        assert.equal(listener.getSockName().family, family)
        for (const sock of [listener, client, served]) {
          // O_CLOEXEC and O_NONBLOCK, as proc(5) has them.
          const [, flags] = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${sock.fd}`, 'latin1'))!
          assert.equal(Number.parseInt(flags!, 8) & 0o2004000, 0o2004000)
          if (family !== 'unix') assert.equal(sock.getSockOpt(IPPROTO_TCP, TCP_NODELAY), 1)
          assert.equal(sock.setNonBlocking(), 0)
          assert.equal(sock.isSelectable(), true)
        }
      }),
  },
  {
    title: `${family}: a peek leaves the bytes, as often as one likes`,
    needs: 'create',
    run: (kind) =>
      inConnection(kind, family, async ({ client, served }) => {
        sendText(client, 'abc')
        await served.wait(DAY, RecvEvent)
        const buffer = new Uint8Array(8)
        for (let n = 0; n < 3; n++) assert.equal(served.recv(buffer, MSG_PEEK | MSG_DONTWAIT), 3)
        assert.equal(await served.wait(0, RecvEvent), RecvEvent)
        assert.equal(recvText(served), 'abc')
        assert.equal(await served.wait(0, RecvEvent), 0)
      }),
  },
  {
    title: `${family}: short sends, then no room, and every byte arrives`,
    needs: 'create',
    run: (kind) =>
      inConnection(kind, family, async ({ client, served }) => {
        const data = pattern(8 << 20)
        let sent = 0
        for (let count = 1; count > 0; sent += Math.max(0, count))
          count = client.send(data, MSG_DONTWAIT, sent)
        assert.ok(sent > 0 && sent < data.length)
        assert.equal(client.lastSocketError, errnoOf('EAGAIN'))
        const rest = client.sendComplete(data.subarray(sent), { timeout: DAY })
        const chunks: Uint8Array[] = []
        for (let received = 0; received < data.length; received += chunks.at(-1)!.length) {
          await served.wait(DAY, RecvEvent)
          chunks.push(drain(served))
        }
        await rest
        assertBytes(Buffer.concat(chunks), data)
      }),
  },
  {
    title: `${family}: the end of the stream, and the other direction goes on`,
    needs: 'create',
    run: (kind) =>
      inConnection(kind, family, async ({ client, served }) => {
        sendText(client, 'last')
        client.shutdown(SHUT_WR)
        assert.equal(await served.wait(DAY, RecvEvent), RecvEvent)
        assert.equal(recvText(served), 'last')
        await served.wait(DAY, RecvEvent)
        assert.equal(served.recv(new Uint8Array(1)), 0)
        assert.deepEqual(served.isConnected(), { connected: false, reason: 'closed' })
        sendText(served, 'answer')
        assert.equal(await client.wait(DAY, RecvEvent), RecvEvent)
        assert.equal(recvText(client), 'answer')
        assert.throws(() => client.send(new Uint8Array(1)), code('EPIPE', { syscall: 'send' }))
      }),
  },
  {
    title: `${family}: recvUntilTerminator, line by line and not one byte beyond`,
    needs: 'create',
    run: (kind) =>
      inConnection(kind, family, async ({ client, served }) => {
        const lines = ['', 'x', 'y'.repeat(511), 'z'.repeat(512), 'ä'.repeat(2000)]
        const sent = client.sendComplete(`${lines.join('\n')}\nrest`)
        for (const line of lines) {
          assert.equal(await served.recvUntilTerminator(LF, { timeout: DAY, encoding: 'utf8' }), line)
        }
        await sent
        await served.wait(DAY, RecvEvent)
        assert.equal(recvText(served), 'rest')
      }),
  },
])

const tcp: SockCase[] = [
  {
    title: 'a connection that is refused: SendEvent, and SO_ERROR tells why',
    needs: 'create',
    async run(kind) {
      const [closed, sock, unix] = [kind.create!('ipv4'), kind.create!('ipv4'), kind.create!('unix')]
      try {
        closed.bind('127.0.0.1:0')
        const address = closed.getSockName()
        assert.equal(sock.connect(address), -errnoOf('EINPROGRESS'))
        assert.ok((await sock.wait(DAY, SendEvent)) & SendEvent)
        assert.equal(sock.getSockOpt(SOL_SOCKET, SO_ERROR), errnoOf('ECONNREFUSED'))
        assert.throws(() => unix.connect(anyAddress('unix')), code('ECONNREFUSED', { syscall: 'connect' }))
        assert.throws(
          () => sock.bind(address),
          code('EADDRINUSE', { port: address.port, address: '127.0.0.1' }),
        )
      } finally {
        for (const each of [closed, sock, unix]) each.close()
      }
    },
  },
  {
    title: 'a reset: an error once, for whoever asks first',
    needs: 'create',
    async run(kind) {
      await inConnection(kind, 'ipv4', async ({ client, served }) => {
        client.setSockOpt(SOL_SOCKET, SO_LINGER, RESET)
        client.close()
        const occurred = await served.wait(DAY, RecvEvent)
        assert.equal(occurred & ErrorEvent, ErrorEvent)
        assert.throws(() => served.recv(new Uint8Array(1)), code('ECONNRESET', { syscall: 'recv' }))
        assert.equal(served.lastSocketError, errnoOf('ECONNRESET'))
        assert.throws(() => served.send(new Uint8Array(1)), code('EPIPE'))
      })
      await inConnection(kind, 'ipv4', async ({ client, served }) => {
        const line = served.recvUntilTerminator(LF, { timeout: DAY })
        sendText(client, 'half')
        client.setSockOpt(SOL_SOCKET, SO_LINGER, RESET)
        client.close()
        // A reset discards what was not read yet.
        await assert.rejects(line, code('ECONNRESET'))
      })
    },
  },
  {
    title: 'an error needs no asking: a reset ends a wait that asks for nothing',
    needs: 'errorsAlone',
    async run(kind) {
      if (!kind.create) return
      for (const requested of [0, ErrorEvent]) {
        await inConnection(kind, 'ipv4', async ({ client, served }) => {
          sendText(client, 'no event')
          assert.equal(await served.wait(20, requested), 0)
          assert.equal(served.waitSync(20, requested), 0)
          const waited = served.wait(FOREVER, requested)
          client.setSockOpt(SOL_SOCKET, SO_LINGER, RESET)
          client.close()
          assert.equal(await waited, ErrorEvent)
          assert.equal(served.waitSync(DAY, requested), ErrorEvent)
        })
      }
    },
  },
  {
    title: 'isConnected in every state',
    needs: 'create',
    run: (kind) =>
      inConnection(kind, 'ipv4', async ({ listener, client, served }) => {
        const fresh = kind.create!('ipv4')
        const unconnected = { connected: false, reason: 'Transport endpoint is not connected (107)' }
        assert.deepEqual([fresh.isConnected(), listener.isConnected()], [unconnected, unconnected])
        fresh.close()
        assert.deepEqual(fresh.isConnected(), { connected: false, reason: 'not connected' })
        assert.deepEqual(
          [client.isConnected(), served.isConnected()],
          [{ connected: true }, { connected: true }],
        )
        client.setSockOpt(SOL_SOCKET, SO_LINGER, RESET)
        client.close()
        await served.wait(DAY, RecvEvent)
        const reset = { connected: false, reason: 'Connection reset by peer (104)' }
        assert.deepEqual(served.isConnected(), reset)
        assert.deepEqual(served.isConnected(), { connected: false, reason: 'closed' })
      }),
  },
  {
    title: 'options: ints, booleans and structs, as the kernel has them',
    needs: 'create',
    run(kind) {
      const sock = kind.create!('ipv4')
      assert.equal(sock.setSockOpt(IPPROTO_TCP, TCP_NODELAY, false), 0)
      assert.equal(sock.getSockOpt(IPPROTO_TCP, TCP_NODELAY), 0)
      assert.equal(sock.setSockOpt(SOL_SOCKET, SO_SNDBUF, 8192), 0)
      assert.ok(sock.getSockOpt(SOL_SOCKET, SO_SNDBUF) >= 8192)
      assert.equal(sock.setSockOpt(SOL_SOCKET, SO_LINGER, RESET), 0)
      const linger = new Uint8Array(16).subarray(4, 16)
      assert.equal(sock.getSockOpt(SOL_SOCKET, SO_LINGER, linger), 8)
      assertBytes(linger.subarray(0, 8), RESET)
      assert.throws(() => sock.getSockOpt(SOL_SOCKET, 9999), code('ENOPROTOOPT', { syscall: 'getsockopt' }))
      sock.close()
    },
  },
]

const waiting: SockCase[] = [
  {
    title: 'waitMany: hundreds of Socks on one timeout, each is told its own',
    needs: 'create',
    run: (kind) =>
      inPairs(kind, 200, async (ones, twos) => {
        const [first] = ones as [Sock]
        const map: EventsPerSock = new Map(ones.map((sock) => [sock, { requested: RecvEvent, occurred: 7 }]))
        const occurred = () => ones.flatMap((sock, at) => (map.get(sock)!.occurred === RecvEvent ? [at] : []))
        for (const wait of [
          (timeout: number) => first.waitMany(map, timeout),
          (timeout: number) => first.waitManySync(map, timeout),
        ]) {
          const before = first.now()
          assert.deepEqual([await wait(60), occurred()], [0, []])
          assert.ok(first.now() - before >= 59)
          for (const at of [3, 77, 199]) sendText(twos[at]!, 'x')
          assert.deepEqual([await wait(DAY), occurred()], [3, [3, 77, 199]])
          for (const at of [3, 77, 199]) assert.equal(recvText(ones[at]!), 'x')
        }
      }),
  },
  {
    title: 'hundreds of waits at once, each with its own end: data, time, close, abort',
    needs: 'create',
    run: (kind) =>
      inPairs(kind, 200, async (ones, twos) => {
        const abort = new AbortController()
        setMaxListeners(0, abort.signal)
        const waits = ones.map((sock, at) =>
          sock.wait(at % 4 === 1 ? at / 4 : DAY, RecvEvent, at % 4 === 3 ? { signal: abort.signal } : {}),
        )
        const ended = Promise.allSettled(waits)
        for (const [at, sock] of twos.entries()) if (at % 4 === 0) sendText(sock, 'x')
        for (const [at, sock] of ones.entries()) if (at % 4 === 2) sock.close()
        abort.abort()
        for (const [at, end] of (await ended).entries()) {
          if (at % 4 === 3) assert.equal((end as PromiseRejectedResult).reason.code, 'ABORT_ERR')
          else {
            const value = (end as PromiseFulfilledResult<number>).value
            assert.equal(value & [RecvEvent, 0, ErrorEvent][at % 4]!, [RecvEvent, 0, ErrorEvent][at % 4]!)
            if (at % 4 === 1) assert.equal(value, 0)
          }
        }
      }),
  },
  {
    title: 'timeouts end in their order; fractions and Infinity are timeouts',
    needs: 'create',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        // Each begins between two looks at the clock.
        const ended: { ms: number; earliest: number; latest: number }[] = []
        const waits = [60, 20.5, 40].map((ms) => {
          const earliest = one.now() + ms
          const waited = one.wait(ms, RecvEvent)
          const latest = one.now() + ms
          return waited.then(() => ended.push({ ms, earliest, latest }))
        })
        const forever = one.wait(FOREVER, RecvEvent)
        await Promise.all(waits)
        for (const [at, { ms, earliest }] of ended.entries()) {
          const before = ended.slice(at + 1).filter(({ latest }) => latest < earliest)
          assert.deepEqual(before, [], `${ms} ms ended too early`)
        }
        for (const ms of [0, 0.25, 1.5]) {
          const before = one.now()
          assert.deepEqual([await one.wait(ms, RecvEvent), one.waitSync(ms, RecvEvent)], [0, 0])
          assert.ok(one.now() - before >= 2 * ms)
        }
        sendText(two, 'x')
        assert.deepEqual([await forever, one.waitSync(FOREVER, RecvEvent)], [RecvEvent, RecvEvent])
        assert.equal(await one.waitMany(new Map(), 5), 0)
        assert.equal(one.waitManySync(new Map(), 5), 0)
      }),
  },
  {
    title: 'two waits for one Sock: each ends with its own event',
    needs: 'create',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const reading = one.wait(DAY, RecvEvent)
        const writing = one.wait(DAY, SendEvent)
        assert.equal(await writing, SendEvent)
        assert.equal(await one.wait(DAY, SendEvent | RecvEvent), SendEvent)
        sendText(two, 'x')
        assert.equal(await reading, RecvEvent)
      }),
  },
  {
    title: 'a Sock closed under a wait, thousands of times: the number is reused, never watched',
    needs: 'create',
    async run(kind, full) {
      for (let round = 0; round < (full ? 20_000 : 500); round++) {
        const [one, two] = kind.pair()
        const { fd } = one
        const waited = one.wait(DAY, RecvEvent)
        one.close()
        two.close()
        assert.equal((await waited) & ErrorEvent, ErrorEvent)
        assert.equal(kind.isOpen(fd), false)
      }
    },
    deadline: [10_000, 60_000],
  },
  {
    title: 'a peer learns at once that a Sock was closed under a wait',
    needs: 'create',
    run: (kind) =>
      inConnection(kind, 'ipv4', async ({ client, served }) => {
        const waited = client.wait(DAY, RecvEvent)
        const ending = served.wait(DAY, RecvEvent)
        client.close()
        assert.ok((await ending) & RecvEvent)
        assert.equal(served.recv(new Uint8Array(1)), 0)
        await waited
      }),
  },
]

const interrupting: SockCase[] = [
  {
    title: 'another thread interrupts a waitSync, and a waitManySync',
    needs: 'create',
    run: (kind, full) =>
      inPair(kind, async (one, two) => {
        const map: EventsPerSock = new Map(
          [one, two].map((sock) => [sock, { requested: RecvEvent, occurred: 0 }]),
        )
        await assertRungOut(full ? 2000 : 100, (signal) => one.waitSync(FOREVER, RecvEvent, { signal }))
        await assertRungOut(full ? 2000 : 100, (signal) => one.waitManySync(map, DAY, { signal }))
      }),
    deadline: [20_000, 60_000],
  },
  {
    title: 'a ring that comes late, its interrupt reset already, ends nothing',
    needs: 'create',
    run: (kind) =>
      inPair(kind, (one) =>
        inPair(kind, (bell, ringer) => {
          const signal = new ThreadInterrupt()
          signal.withBell({ open: () => bell.fd, close() {} }, () => {
            ringer.send(new Uint8Array(8))
            const before = one.now()
            assert.equal(one.waitSync(30, RecvEvent, { signal }), 0)
            assert.ok(one.now() - before >= 29)
          })
        }),
      ),
  },
  {
    title: 'another thread interrupts the blocking algorithms: they say how far they came',
    needs: 'create',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        sendText(two, 'half')
        const data = pattern(4 << 20)
        await assertRungOut(20, (signal) => one.recvUntilTerminatorSync(LF, { signal, timeout: DAY }))
        await assertRungOut(20, (signal) => one.sendCompleteSync(data, { signal, timeout: DAY }))
      }),
    deadline: [20_000, 20_000],
  },
  {
    title: 'sendComplete to a slow reader: the deadline and the signal, and exactly the bytes that they say',
    needs: 'create',
    async run(kind) {
      for (const family of FAMILIES) {
        for (const end of ['ERR_SOCK_TIMEOUT', 'ABORT_ERR']) {
          await inConnection(kind, family, async ({ client, served }) => {
            const data = pattern(32 << 20)
            const abort = new AbortController()
            const options = end === 'ABORT_ERR' ? { timeout: DAY, signal: abort.signal } : { timeout: 80 }
            let over = false
            const sent = client.sendComplete(data, options).then(
              () => assert.fail('sent to the end'),
              (error) => {
                over = true
                return error
              },
            )
            const chunks: Uint8Array[] = []
            let received = 0
            const read = (most: number): void => {
              const buffer = new Uint8Array(most)
              const count = served.recv(buffer)
              if (count <= 0) return
              chunks.push(buffer.subarray(0, count))
              received += count
            }
            while (!over) {
              await served.wait(5, 0)
              read(20_000)
              if (received > 100_000) abort.abort()
            }
            const error = await sent
            assert.equal(error.code, end)
            client.shutdown(SHUT_WR)
            while (received < error.bytesSent) {
              await served.wait(DAY, RecvEvent)
              read(1 << 20)
            }
            assert.equal(received, error.bytesSent)
            assertBytes(Buffer.concat(chunks), data.subarray(0, received))
          })
        }
      }
    },
    deadline: [20_000, 20_000],
  },
]

/** What only sockets of the kernel show. */
export const kernelSocks: readonly SockCase[] = [...perFamily, ...tcp, ...waiting, ...interrupting]
