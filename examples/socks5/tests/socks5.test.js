import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ThreadInterrupt } from '@sockman/core'
import { DynSock, FaultSock, FuzzedSock, MockClock } from '@sockman/core/mock'
import { socks5Connect } from '../src/socks5.js'
import { GRANTED, serve } from './proxy.js'

/** @import { Manners } from './proxy.js' */
/** @import { Socks5Options } from '../src/socks5.js' */

const destination = { host: 'example.onion', port: 8333 }
const credentials = { username: 'für', password: 'x'.repeat(255) }

/**
 * One handshake with a proxy over a pair of mock Socks. `capacity`: bytes that fit into each direction.
 *
 * @param {Socks5Options & { manners?: Manners, capacity?: number, host?: string }} [options]
 */
async function handshake({ manners, capacity, host = destination.host, ...options } = {}) {
  const [client, proxy] = DynSock.pair(new MockClock(), capacity)
  const served = serve(proxy, manners)
  served.catch(() => {})
  await socks5Connect(client, { ...destination, host }, options)
  return { client, proxy, asked: await served }
}

describe('a proxy that agrees', () => {
  test('without a login', async () => {
    const { asked } = await handshake()
    assert.deepEqual(asked, { methods: [0], login: [], host: 'example.onion', port: 8333 })
  })

  test('with a login, and with one that the proxy does not want', async () => {
    const { asked } = await handshake({ credentials })
    assert.deepEqual(asked, {
      methods: [0, 2],
      login: ['für', 'x'.repeat(255)],
      host: 'example.onion',
      port: 8333,
    })
    assert.deepEqual((await handshake({ credentials, manners: { method: [5, 0] } })).asked.login, [])
  })

  test('byte by byte in both directions', async () => {
    const { asked } = await handshake({ credentials, capacity: 1 })
    assert.equal(asked.host, 'example.onion')
  })

  test('the first bytes of the destination stay unread', async () => {
    const early = [...new TextEncoder().encode('early')]
    const { client } = await handshake({ manners: { reply: [...GRANTED, ...early] } })
    assert.equal(client.pipes.recv.takeText(), 'early')
  })

  test('with an address of any kind, and a name of any length (CVE-2017-18350)', async () => {
    for (let length = 0; length <= 255; length++) {
      const reply = [5, 0, 0, 3, length, ...new Array(length).fill(65), 0, 80, 7]
      const { client } = await handshake({ manners: { reply } })
      assert.deepEqual([...client.pipes.recv.take()], [7])
    }
    const { client } = await handshake({ manners: { reply: [5, 0, 0, 4, ...new Array(18).fill(1), 7] } })
    assert.deepEqual([...client.pipes.recv.take()], [7])
  })

  test('the longest name', async () => {
    const { asked } = await handshake({ host: 'a'.repeat(255) })
    assert.equal(asked.host.length, 255)
  })
})

describe('a proxy that does not', () => {
  test('refuses: the error says why', async () => {
    for (const reply of [1, 2, 3, 4, 5, 6, 7, 8, 0xf0, 99]) {
      await assert.rejects(handshake({ manners: { reply: [5, reply, 0, 1] } }), {
        code: 'SOCKS5_REFUSED',
        reply,
      })
    }
  })

  test('wants another login', async () => {
    await assert.rejects(handshake({ manners: { method: [5, 255] } }), { code: 'SOCKS5_AUTH' })
    await assert.rejects(handshake({ credentials, manners: { login: [1, 1] } }), { code: 'SOCKS5_AUTH' })
  })

  test('does not speak the protocol', async () => {
    const wrong = [
      { method: [4, 0] },
      { method: [5, 2] },
      { method: [72, 84] },
      { reply: [4, 0, 0, 1] },
      { reply: [5, 0, 1, 1] },
      { reply: [5, 0, 0, 2] },
    ]
    for (const manners of wrong) await assert.rejects(handshake({ manners }), { code: 'SOCKS5_PROTOCOL' })
    await assert.rejects(handshake({ credentials, manners: { login: [5, 0] } }), { code: 'SOCKS5_PROTOCOL' })
  })

  test('hangs up, or breaks', async () => {
    for (let length = 0; length < GRANTED.length; length++) {
      const [client, proxy] = DynSock.pair()
      const served = serve(proxy, { reply: GRANTED.slice(0, length) }).then(() => proxy.close())
      await assert.rejects(socks5Connect(client, destination), { code: 'ERR_SOCK_EOF' })
      await served
    }
    const broken = new FaultSock({ recv: { 1: 'ECONNRESET' } })
    await assert.rejects(socks5Connect(broken, destination), { code: 'ECONNRESET', syscall: 'recv' })
    const third = new FaultSock({ send: { 1: 1, 2: 1, 3: 'EPIPE' } })
    await assert.rejects(socks5Connect(third, destination), { code: 'EPIPE', bytesSent: 2 })
  })

  test('never answers: the timeout is for the whole', async () => {
    const clock = new MockClock()
    const silent = new DynSock({ clock })
    clock.schedule(15_000, () => silent.pipes.recv.push(Uint8Array.of(5, 0)))
    await assert.rejects(socks5Connect(silent, destination), { code: 'ERR_SOCK_TIMEOUT' })
    assert.equal(clock.now(), 20_000)
  })

  test('is interrupted', async () => {
    const clock = new MockClock()
    const signal = new ThreadInterrupt()
    clock.schedule(10, () => signal.interrupt())
    await assert.rejects(socks5Connect(new DynSock({ clock }), destination, { signal }), {
      code: 'ABORT_ERR',
    })
    assert.equal(clock.now(), 10)
  })
})

test('what cannot be asked for is refused before a byte is sent', async () => {
  const sock = new DynSock()
  const ask = (host = 'h', port = 1, login = credentials) =>
    socks5Connect(sock, { host, port }, { credentials: login })
  await assert.rejects(ask(''), RangeError)
  await assert.rejects(ask('a'.repeat(256)), RangeError)
  for (const port of [0, 65536, 1.5, Number.NaN]) await assert.rejects(ask('h', port), RangeError)
  await assert.rejects(ask('h', 1, { username: '', password: 'x' }), RangeError)
  assert.equal(sock.pipes.send.length, 0)
})

const CODES = new Set([
  'SOCKS5_PROTOCOL',
  'SOCKS5_AUTH',
  'SOCKS5_REFUSED',
  'ERR_SOCK_EOF',
  'ERR_SOCK_TIMEOUT',
])

test('100 000 fuzzed sockets: the handshake ends, with an error that it may end with', async () => {
  const { SEED } = process.env
  const [first, last] = SEED === undefined ? [0, 100_000] : [Number(SEED), Number(SEED) + 1]
  // Nobody reads the traces of a hundred thousand expected errors.
  const { stackTraceLimit } = Error
  if (SEED === undefined) Error.stackTraceLimit = 0
  try {
    for (let seed = first; seed < last; seed++) {
      const options = seed % 2 === 0 ? {} : { credentials }
      await socks5Connect(new FuzzedSock(seed), destination, options).catch((error) => {
        if (CODES.has(error.code) || (error.name === 'SockError' && error.errno < 0)) return
        throw new Error(`play it again: SEED=${seed} node --test`, { cause: error })
      })
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
})
