import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import * as tls from 'node:tls'
import {
  type ConnectionId,
  SockAddr,
  type SockMan,
  type SockManEvents,
  type SockManOptions,
} from '@sockman/core'
import { createMemoryNetwork, type MemoryNetworkOptions } from '@sockman/core/memory'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { chat } from '../examples/programs/chat.js'
import { echo } from '../examples/programs/echo.js'
import { http } from '../examples/programs/http.js'
import { proxy } from '../examples/programs/proxy.js'
import { resp } from '../examples/programs/resp.js'
import { streamOf, tlsEcho } from '../examples/programs/tls.js'
import { ended } from './child'
import { workspace } from './pack'
import { type Row, requireRow, rows } from './rows'

type Create = (events: SockManEvents, options?: SockManOptions) => SockMan

/** The other side of a program. */
interface Peer {
  stream: Duplex
  /** Ends the connection with a reset. */
  reset(): void
}

/** Where a program runs, and what its tests speak to it with: `node:net` beside an engine, a SockMan in memory. */
interface World {
  create: Create
  /** An address to listen on, with small buffers in the kernel where `small`. */
  address(small?: boolean): string
  dial(address: SockAddr): Peer
  /** Gives each connection to `talk`; answers where it listens. */
  serve(talk: (peer: Peer) => void): Promise<SockAddr>
  /** More bytes than all buffers on a way that is `small`, and one queue, hold. */
  much: number
  /** What a connection whose source is paused has queued at most. */
  bound: number
  /** How to play a failure again. */
  report(): string
}

const KI = 1024
/** Of Unix sockets and a certificate. */
const folder = mkdtempSync(join(tmpdir(), 'examples-'))
afterAll(() => rmSync(folder, { recursive: true }))
let names = 0

function onRow({ backend, drive }: Row): World {
  return {
    create: (events, options) => backend.createSockMan(events, { ...options, drive, poison: true }),
    // A Unix socket's buffers do not grow with the machine.
    address: (small) => (small ? `unix:${folder}/${names++}` : '127.0.0.1:0'),
    dial({ family, host, port, path }) {
      const options = family === 'unix' ? { path: path! } : { host, port }
      return peerOf(connect({ ...options, allowHalfOpen: true }))
    },
    async serve(talk) {
      const server = createServer({ allowHalfOpen: true }, (socket) => talk(peerOf(socket)))
      await once(server.listen(0, '127.0.0.1'), 'listening')
      onTestFinished(() => void server.close())
      return SockAddr.from(server.address() as AddressInfo)
    },
    much: 2048 * KI,
    bound: (64 + 256) * KI,
    report: () => '',
  }
}

function peerOf(stream: Socket): Peer {
  // What a test is about is seen by its reads; a reset must not end the test's process.
  stream.on('error', () => {})
  onTestFinished(() => void stream.destroy())
  return { stream, reset: () => stream.resetAndDestroy() }
}

function inMemory(options: MemoryNetworkOptions): World {
  const network = createMemoryNetwork({ clock: 'auto', ...options })
  const [home, away, third] = [network.host('10.0.0.1'), network.host('10.0.0.2'), network.host('10.0.0.3')]
  const peerAt = (man: SockMan, id: ConnectionId): Peer => {
    const stream = streamOf(man, id)
    stream.on('error', () => {})
    return { stream, reset: () => void man.close(id, { reset: true }) }
  }
  const client = away.createSockMan({})
  onTestFinished(() => client.stop())
  return {
    create: (events, options) => home.createSockMan(events, options),
    address: () => '10.0.0.1:0',
    dial: (address) => peerAt(client, client.connect(address)),
    async serve(talk) {
      const man = third.createSockMan({ onAccepted: (id) => talk(peerAt(man, id)) })
      onTestFinished(() => man.stop())
      return man.listen('10.0.0.3:0').address
    },
    much: 256 * KI,
    bound: (64 + 16) * KI,
    report: () => network.report(12),
  }
}

/** Runs a case on every row, and in memory with several seeds, one of them in chunks of a few bytes. */
function everywhere(title: string, body: (world: World) => Promise<void>): void {
  for (const row of rows) {
    test(`${title}: ${row.name}`, async (context) => {
      requireRow(row, context)
      await body(onRow(row))
    })
  }
  for (const options of [{ seed: 1 }, { seed: 2 }, { seed: 3 }, { seed: 4, chunk: [1, 8] as const }]) {
    test(`${title}: in memory ${JSON.stringify(options)}`, async () => {
      const world = inMemory(options)
      try {
        await body(world)
      } catch (error) {
        throw new Error(`${error}\n${world.report()}`, { cause: error })
      }
    })
  }
}

/** Stops what a program gave when the test is over. */
function stopLater<T extends { man: SockMan }>(program: T): T {
  onTestFinished(() => program.man.stop())
  return program
}

function deferred<T = void>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<T>((...given) => {
    ;[resolve, reject] = given
  })
  return { promise, resolve, reject }
}

/**
 * Makes SockMans of 64 KiB `sendHighWater` and watches them: `paused` resolves when a connection is paused for the first
 * time, and rejects when more is queued than can be where sources are paused.
 */
function watching(world: World): { create: Create; paused: Promise<void> } {
  const { promise, resolve, reject } = deferred()
  return {
    paused: promise,
    create(events, options) {
      const man = world.create(events, { ...options, sendHighWater: 64 * KI })
      const { send, pause } = man
      man.send = (...given) => {
        const room = send.apply(man, given)
        const { queuedBytes } = man.stats()
        if (queuedBytes > world.bound) reject(new Error(`${queuedBytes} bytes are queued`))
        return room
      }
      man.pause = (id) => {
        pause.call(man, id)
        resolve()
      }
      return man
    },
  }
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Reads up to the end of the stream, and leaves our side open. */
async function rest(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  await finished(stream, { writable: false })
  return Buffer.concat(parts)
}

/** Reads `length` bytes, and leaves what follows. */
async function take(stream: Duplex, length: number): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let left = length; left > 0; ) {
    const part = stream.read(Math.min(left, stream.readableLength || left)) as Buffer | null
    if (part === null) {
      if (stream.readableEnded) throw new Error(`the stream ended ${left} bytes too early`)
      await once(stream, 'readable')
    } else {
      parts.push(part)
      left -= part.length
    }
  }
  return Buffer.concat(parts)
}

/** The code of the error that ends a stream. */
async function failure(stream: Duplex): Promise<string> {
  const [error] = await once(stream, 'error')
  return error.code
}

/** Waits for lines, one after the other. */
function linesOf(stream: Readable): () => Promise<string> {
  const lines = createInterface({ input: stream })[Symbol.asyncIterator]()
  return async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the stream has ended')
    return value
  }
}

describe('examples/programs/echo.js', () => {
  everywhere('every byte comes back, then the end', async (world) => {
    const { listener } = stopLater(await echo(world.create, world.address()))
    const { stream } = world.dial(listener.address)
    const bytes = randomBytes(50_000)
    stream.end(bytes)
    expect(digest(await rest(stream))).toBe(digest(bytes))
  })

  everywhere('who does not read is not read', async (world) => {
    const { create, paused } = watching(world)
    const { listener } = stopLater(await echo(create, world.address(true)))
    const { stream } = world.dial(listener.address)
    const bytes = randomBytes(world.much)
    stream.end(bytes)
    await paused
    expect(digest(await rest(stream))).toBe(digest(bytes))
  })
})

describe('examples/programs/proxy.js', () => {
  everywhere('each direction has its bytes and its own end', async (world) => {
    const [question, answer] = [randomBytes(30_000), randomBytes(30_000)]
    const asked = deferred<Buffer>()
    const target = await world.serve(({ stream }) => {
      rest(stream).then((bytes) => {
        asked.resolve(bytes)
        stream.end(answer)
      }, asked.reject)
    })
    const { man, listener } = stopLater(await proxy(world.create, world.address(), target))
    const { stream } = world.dial(listener.address)
    stream.end(question)
    const answered = await rest(stream)
    expect(digest(await asked.promise)).toBe(digest(question))
    expect(digest(answered)).toBe(digest(answer))
    expect(man.stats()).toMatchObject({ accepted: 1, connected: 1, broken: 0 })
  })

  everywhere('a target that ends first goes on reading', async (world) => {
    const question = randomBytes(30_000)
    const asked = deferred<Buffer>()
    const target = await world.serve(({ stream }) => {
      stream.end('welcome')
      rest(stream).then(asked.resolve, asked.reject)
    })
    const { listener } = stopLater(await proxy(world.create, world.address(), target))
    const { stream } = world.dial(listener.address)
    expect(String(await rest(stream))).toBe('welcome')
    stream.end(question)
    expect(digest(await asked.promise)).toBe(digest(question))
  })

  everywhere('a client that does not read holds the target back', async (world) => {
    const bytes = randomBytes(world.much)
    const target = await world.serve(({ stream }) => void stream.end(bytes))
    const { create, paused } = watching(world)
    const { listener } = stopLater(await proxy(create, world.address(true), target))
    const { stream } = world.dial(listener.address)
    await paused
    expect(digest(await rest(stream))).toBe(digest(bytes))
  })

  for (const breaker of ['client', 'target'] as const) {
    everywhere(`a reset by the ${breaker} is one for the other side`, async (world) => {
      const reached = deferred<Peer>()
      const target = await world.serve(reached.resolve)
      const { man, listener } = stopLater(await proxy(world.create, world.address(), target))
      const client = world.dial(listener.address)
      client.stream.write('a')
      const peer = await reached.promise
      await once(peer.stream, 'readable')
      peer.stream.write('b')
      await once(client.stream, 'readable')
      const [from, to] = breaker === 'client' ? [client, peer] : [peer, client]
      to.stream.resume()
      const failed = failure(to.stream)
      from.reset()
      expect(await failed).toBe('ECONNRESET')
      expect(man.connections()).toEqual([])
    })
  }

  everywhere('where the target refuses, the client is reset', async (world) => {
    const { man: nobody } = stopLater({ man: world.create({}) })
    const gone = nobody.listen(world.address())
    gone.close()
    const { man, listener } = stopLater(await proxy(world.create, world.address(), gone.address))
    const { stream } = world.dial(listener.address)
    stream.resume()
    expect(await failure(stream)).toBe('ECONNRESET')
    expect(man.connections()).toEqual([])
  })
})

describe('examples/programs/chat.js', () => {
  /** Someone who has come in, with what is said from then on. */
  async function join(world: World, address: SockAddr) {
    const { stream } = world.dial(address)
    const next = linesOf(stream)
    expect(await next()).toMatch(/^\* #\d+ is here$/)
    return { stream, next }
  }

  everywhere('lines are told to the others, whole', async (world) => {
    const { listener } = stopLater(await chat(world.create, world.address()))
    const alice = await join(world, listener.address)
    const bob = await join(world, listener.address)
    expect(await alice.next()).toBe('* #2 is here')
    const umlaut = Buffer.from('grüße\n')
    for (const part of ['hel', 'lo\nwor', 'ld\r\n\n', umlaut.subarray(0, 3), umlaut.subarray(3)])
      alice.stream.write(part)
    expect([await bob.next(), await bob.next(), await bob.next()]).toEqual([
      '#1: hello',
      '#1: world',
      '#1: grüße',
    ])
    bob.stream.end(`${'x'.repeat(1_000)}\n\x1b[2Jy\n`)
    expect(await alice.next()).toBe(`#2: ${'x'.repeat(1_000)}`)
    expect(await alice.next()).toBe('#2: [2Jy')
    expect(await alice.next()).toBe('* now there are 1')
  })

  everywhere('a line without an end drops its member', async (world) => {
    const { listener } = stopLater(await chat(world.create, world.address()))
    const alice = await join(world, listener.address)
    const bob = await join(world, listener.address)
    alice.stream.write('x'.repeat(1_001))
    expect(await bob.next()).toBe('* now there are 1')
    await expect(alice.next().then(alice.next)).rejects.toThrow()
  })

  everywhere('who does not read is dropped, and the others go on', async (world) => {
    const { man, listener } = stopLater(await chat(world.create, world.address(true)))
    const alice = await join(world, listener.address)
    const bob = await join(world, listener.address)
    const { stream: sleeper } = world.dial(listener.address)
    expect(await bob.next()).toBe('* #3 is here')
    const line = 'x'.repeat(1_000)
    let told = ''
    let most = 0
    let lines = 0
    // One line at a time, so that Bob is never behind.
    for (; !told.startsWith('*') && lines < 2_000; lines++) {
      alice.stream.write(`${line}\n`)
      told = await bob.next()
      most = Math.max(most, man.stats().queuedBytes)
    }
    if (!told.startsWith('*')) throw new Error(`after ${lines} lines nobody was dropped`)
    expect(told).toBe('* now there are 2')
    expect(most).toBeLessThanOrEqual(256 * KI + 2 * KI)
    sleeper.destroy()
  })
})

describe('examples/programs/resp.js', () => {
  const commands = [['PING'], ['GET', 'grüße'], ['SET', 'k', Buffer.from([0, 13, 10, 255])]] as const
  const asked = Buffer.concat([
    Buffer.from('*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$7\r\ngrüße\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n'),
    Buffer.from([0, 13, 10, 255, 13, 10]),
  ])

  /** A server that answers what it is asked with `answer`, once it has all of the question; `then` ends it. */
  async function server(world: World, question: Buffer, answer: string, then = (_: Peer) => {}) {
    const got = deferred<Buffer>()
    const address = await world.serve(async (peer) => {
      got.resolve(await take(peer.stream, question.length))
      // In two parts, the first of which ends within a value.
      const bytes = Buffer.from(answer)
      const half = Math.floor(bytes.length / 2)
      await new Promise((resolve) => peer.stream.write(bytes.subarray(0, half), resolve))
      await new Promise((resolve) => peer.stream.write(bytes.subarray(half), resolve))
      then(peer)
    })
    return { client: stopLater(await resp(world.create, address)), got: got.promise }
  }

  everywhere('commands are encoded, and answered in their order', async (world) => {
    const { client, got } = await server(world, asked, '+PONG\r\n-ERR no\r\n:42\r\n')
    const results = await Promise.allSettled(commands.map((words) => client.command(...words)))
    expect(await got).toEqual(asked)
    expect(results).toEqual([
      { status: 'fulfilled', value: 'PONG' },
      { status: 'rejected', reason: new Error('ERR no') },
      { status: 'fulfilled', value: 42 },
    ])
  })

  const long = 'y'.repeat(30_000)
  const values: [wire: string, value: unknown][] = [
    ['+\r\n', ''],
    [':-7\r\n', -7],
    [':9223372036854775807\r\n', 9223372036854775807n],
    ['$-1\r\n', null],
    ['$0\r\n\r\n', Buffer.alloc(0)],
    ['$4\r\na\r\nb\r\n', Buffer.from('a\r\nb')],
    [`$30000\r\n${long}\r\n`, Buffer.from(long)],
    ['*-1\r\n', null],
    ['*0\r\n', []],
    [
      '*4\r\n:1\r\n*2\r\n$1\r\na\r\n*1\r\n+b\r\n-ERR x\r\n$-1\r\n',
      [1, [Buffer.from('a'), ['b']], new Error('ERR x'), null],
    ],
  ]
  everywhere('every type of reply is read, in whatever parts it comes', async (world) => {
    const question = Buffer.from('*1\r\n$1\r\nX\r\n'.repeat(values.length))
    const { client } = await server(world, question, values.map(([wire]) => wire).join(''))
    const replies = await Promise.all(values.map(() => client.command('X')))
    expect(replies).toEqual(values.map(([, value]) => value))
  })

  for (const [title, answer, end, reason] of [
    ['an end', '+A\r\n$9\r\nhalf', (peer: Peer) => void peer.stream.end(), /has ended/],
    ['a reset', '+A\r\n', (peer: Peer) => peer.reset(), /ECONNRESET/],
    ['what is not RESP2', '+A\r\n$1x\r\n', () => {}, /not RESP2/],
    ['arrays without a bottom', `+A\r\n${'*1\r\n'.repeat(100)}`, () => {}, /not RESP2/],
  ] as const) {
    everywhere(`${title} rejects all that wait, and what follows`, async (world) => {
      const question = Buffer.from('*1\r\n$1\r\nX\r\n'.repeat(3))
      const { client } = await server(world, question, answer, end)
      const results = await Promise.allSettled([1, 2, 3].map(() => client.command('X')))
      const reasons = results.map((result) =>
        result.status === 'rejected' ? `${result.reason}` : 'answered',
      )
      // What came before a reset may be lost with it.
      if (title !== 'a reset') expect(reasons[0]).toBe('answered')
      for (const one of reasons.slice(1)) expect(one).toMatch(reason)
      await expect(client.command('X')).rejects.toThrow(reason)
    })
  }

  everywhere('nobody there; too many at once', async (world) => {
    const { man: nobody } = stopLater({ man: world.create({}) })
    const gone = nobody.listen(world.address())
    gone.close()
    const client = stopLater(await resp(world.create, gone.address))
    const waiting = Array.from({ length: 10_000 }, () => client.command('X'))
    await expect(client.command('X')).rejects.toThrow('10000 replies are due')
    for (const result of await Promise.allSettled(waiting))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ECONNREFUSED' } })
  })
})

describe('examples/programs/http.js', () => {
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const LAST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n'

  /** Status and body of each answer. */
  function answersIn(bytes: Buffer): [status: number, body: string][] {
    const all = [...String(bytes).matchAll(/HTTP\/1\.1 (\d+) (?:[^\r]|\r\n(?!\r\n))*\r\n\r\n([^H]*)/g)]
    return all.map(([, status, body]) => [Number(status), body!])
  }

  async function serverOf(world: World) {
    return stopLater(await http(world.create, world.address()))
  }

  everywhere('requests in one piece, and in pieces, are answered in order', async (world) => {
    const { listener } = await serverOf(world)
    for (const piece of [1_000, 7]) {
      const { stream } = world.dial(listener.address)
      const answers = rest(stream)
      const bytes = Buffer.from(`${GET}${GET.replace('GET', 'HEAD')}${GET}${LAST}${GET}`)
      for (let at = 0; at < bytes.length; at += piece)
        await new Promise((resolve) => stream.write(bytes.subarray(at, at + piece), resolve))
      expect(answersIn(await answers)).toEqual([
        [200, 'hello\n'],
        [200, ''],
        [200, 'hello\n'],
        [200, 'hello\n'],
      ])
      stream.end()
    }
  })

  for (const [status, request] of [
    [200, 'GET / HTTP/1.0\r\n\r\n'],
    [200, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${'x'.repeat(8_000)}\r\n\r\n`],
    [400, '\r\n\r\n'],
    [400, 'hello\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a\r\nBad : b\r\n\r\n'],
    [413, 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'],
    [413, 'GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'],
    [431, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9_000)}`],
    [431, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`],
    [501, 'DELETE / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ] as const) {
    everywhere(`${status} for ${JSON.stringify(request.slice(0, 60))}, then the end`, async (world) => {
      const { listener } = await serverOf(world)
      const { stream } = world.dial(listener.address)
      stream.write(request)
      const answer = await rest(stream)
      expect(answersIn(answer).map(([said]) => said)).toEqual([status])
      expect(String(answer)).toContain('\r\nConnection: close\r\n')
      stream.end()
    })
  }

  everywhere('who does not read the answers is not read', async (world) => {
    const { create, paused } = watching({ ...world, bound: 1024 * KI * 2 })
    const { listener } = stopLater(await http(create, world.address(true)))
    const { stream } = world.dial(listener.address)
    const count = Math.floor(world.much / 130)
    stream.end(`${GET.repeat(count - 1)}${LAST}`)
    await paused
    expect(answersIn(await rest(stream))).toHaveLength(count)
  })

  for (const row of rows) {
    test(`node:http keeps a connection alive: ${row.name}`, async (context) => {
      requireRow(row, context)
      const { man, listener } = await serverOf(onRow(row))
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      onTestFinished(() => agent.destroy())
      for (let n = 0; n < 3; n++) {
        const [response] = (await once(get(`http://${listener.address}/`, { agent }), 'response')) as [
          IncomingMessage,
        ]
        expect([response.statusCode, await text(response)]).toEqual([200, 'hello\n'])
      }
      expect(man.stats().accepted).toBe(1)
    })
  }
})

describe('examples/programs/tls.js', () => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const openssl = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout'
  const { status } = spawnSync('openssl', [...openssl.split(' '), key, '-out', cert])

  function secure(world: World, address: SockAddr) {
    const peer = world.dial(address)
    const stream = tls.connect({ socket: peer.stream, ca: readFileSync(cert), servername: 'localhost' })
    return { ...peer, stream }
  }

  function everywhereWithCertificate(
    title: string,
    body: (world: World, credentials: { key: Buffer; cert: Buffer }) => Promise<void>,
  ) {
    if (status !== 0) return test.skip(`${title}: openssl could not make a certificate`, () => {})
    everywhere(title, (world) => body(world, { key: readFileSync(key), cert: readFileSync(cert) }))
  }

  everywhereWithCertificate('every byte comes back, then the end', async (world, credentials) => {
    const { listener } = stopLater(await tlsEcho(world.create, world.address(), credentials))
    const { stream } = secure(world, listener.address)
    const bytes = randomBytes(50_000)
    stream.write(bytes)
    expect(digest(await take(stream, bytes.length))).toBe(digest(bytes))
    expect(stream.authorized).toBe(true)
    stream.end()
    expect(await rest(stream)).toHaveLength(0)
  })

  everywhereWithCertificate('who does not read is not read', async (world, credentials) => {
    const { create, paused } = watching(world)
    const { listener } = stopLater(await tlsEcho(create, world.address(true), credentials))
    const { stream } = secure(world, listener.address)
    const bytes = randomBytes(world.much)
    stream.write(bytes)
    await paused
    expect(digest(await take(stream, bytes.length))).toBe(digest(bytes))
    stream.destroy()
  })

  everywhereWithCertificate(
    'who speaks no TLS, or breaks off, ends only itself',
    async (world, credentials) => {
      const gone = deferred()
      let open = 2
      const create: Create = (events, options) => {
        const man = world.create(events, options)
        const { close } = man
        man.close = (...given) => {
          if (close.apply(man, given) && --open === 0) gone.resolve()
          return open >= 0
        }
        return man
      }
      const { listener } = stopLater(await tlsEcho(create, world.address(), credentials))
      world.dial(listener.address).stream.end('hello\r\n\r\n')
      const broken = secure(world, listener.address)
      broken.stream.on('error', () => {})
      await once(broken.stream, 'secureConnect')
      broken.reset()
      await gone.promise
      const { stream } = secure(world, listener.address)
      stream.write('still here')
      expect(String(await take(stream, 10))).toBe('still here')
      stream.end()
    },
  )
})

describe.each(rows)('processes: $name', (row) => {
  /** Starts a program on this row. */
  function run(file: string, ...args: string[]) {
    const env = { ...process.env, SOCKMAN_BACKEND: row.name }
    const child = spawn(process.execPath, [workspace(file), ...args], {
      env,
      timeout: 60_000,
      killSignal: 'SIGKILL',
    })
    return { child, line: linesOf(child.stdout), end: ended(child) }
  }

  const refusal = async (port: number) => (await once(connect(port, '127.0.0.1'), 'error'))[0].code

  test('examples/programs/shutdown.js: who has asked gets the answer, nobody new gets in', async (context) => {
    requireRow(row, context)
    const bytes = 8 * 1024 * KI
    const { child, line, end } = run('tests/fixtures/graceful.mjs', `${bytes}`)
    const port = Number(await line())
    const client = connect(port, '127.0.0.1')
    client.write('why\n')
    expect(await line()).toBe('asked why')
    child.kill('SIGTERM')
    expect(await line()).toBe('stopping, 1 at work')
    expect(await refusal(port)).toBe('ECONNREFUSED')
    child.stdin.write('go on')
    expect(await rest(client)).toHaveLength(bytes)
    expect(await line()).toBe('stopped')
    expect(await end).toMatchObject({ code: 0, stderr: '' })
  })

  test('examples/programs/shutdown.js: a second signal ends it at once', async (context) => {
    requireRow(row, context)
    const { child, line, end } = run('tests/fixtures/graceful.mjs', '1')
    const client = connect(Number(await line()), '127.0.0.1')
    client.on('error', () => {})
    client.write('why\n')
    expect(await line()).toBe('asked why')
    child.kill('SIGTERM')
    expect(await line()).toBe('stopping, 1 at work')
    child.kill('SIGINT')
    expect(await end).toMatchObject({ code: 1, stderr: '' })
  })

  test('examples/programs/workers.js: the threads share a port, and end gracefully', async (context) => {
    requireRow(row, context)
    const { child, line, end } = run('examples/programs/workers.js', '127.0.0.1:0', '2')
    const [, port] = /^2 threads listen on 127\.0\.0\.1:(\d+)$/.exec(await line())!
    const clients = Array.from({ length: 64 }, () =>
      connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }),
    )
    const told = await Promise.all(clients.map((client) => take(client, 'thread 1\n'.length).then(String)))
    // The kernel deals by a hash of the addresses: that one thread gets all 64 is once in 2⁶³ runs.
    expect(new Set(told)).toEqual(new Set(['thread 1\n', 'thread 2\n']))
    for (const client of clients) client.write('echo')
    for (const client of clients) expect(String(await take(client, 4))).toBe('echo')
    child.kill('SIGTERM')
    const rests = clients.map((client) => rest(client).then(() => void client.end()))
    await Promise.all(rests)
    expect(await end).toMatchObject({ code: 0, stderr: '' })
  })

  test.for(['echo', 'proxy', 'chat', 'http', 'shutdown'])(
    'examples/programs/%s.js says where it listens',
    async (name, context) => {
      requireRow(row, context)
      const { child, line, end } = run(`examples/programs/${name}.js`, '127.0.0.1:0')
      expect(await line()).toMatch(/127\.0\.0\.1:[1-9]\d*/)
      child.kill('SIGTERM')
      await end
    },
  )
})
