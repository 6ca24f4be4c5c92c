import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DynSock, FaultSock, MockClock } from '@sockman/core/mock'
import { dial } from '../src/dial.js'
import { serve } from './proxy.js'

const PROXY = '127.0.0.1:9050'
const destination = { host: 'example.org', port: 80 }

/** The client's end of a pair with a proxy behind it. @param {import('@sockman/core/mock').FaultScript} [script] */
function reach(script = {}) {
  const [client, proxy] = DynSock.pair()
  const { clock, pipes } = client
  const asked = serve(proxy)
  // Where the client gives up, nobody asks.
  asked.catch(() => {})
  return { sock: new FaultSock(script, { clock, pipes }), asked }
}

test('connects to the proxy, then through it', async () => {
  const { sock, asked } = reach({ connect: { 1: 'EINPROGRESS' } })
  /** @type {string[]} */
  const families = []
  const create = (/** @type {string} */ family) => {
    families.push(family)
    return sock
  }
  assert.equal(await dial({ create }, PROXY, destination), sock)
  assert.deepEqual(
    [families, (await asked).host, sock.empty, sock.unmet],
    [['ipv4'], 'example.org', false, []],
  )
})

test('a proxy that cannot be reached: the code, the address, and nothing left open', async () => {
  const refused = new FaultSock({ connect: { 1: 'ECONNREFUSED' } })
  const error = { code: 'ECONNREFUSED', address: '127.0.0.1', port: 9050 }
  await assert.rejects(dial({ create: () => refused }, PROXY, destination), error)
  assert.equal(refused.empty, true)

  const later = new FaultSock({ connect: { 1: 'EINPROGRESS' } })
  later.pipes.recv.reset('ECONNREFUSED')
  await assert.rejects(dial({ create: () => later }, PROXY, destination), error)
  assert.equal(later.empty, true)
})

test('a proxy that does not answer the connect', async () => {
  const clock = new MockClock()
  class Pending extends FaultSock {
    /** @override */
    ready() {
      return 0
    }
  }
  const sock = new Pending({ connect: { 1: 'EINPROGRESS' } }, { clock })
  await assert.rejects(dial({ create: () => sock }, PROXY, destination), { code: 'ETIMEDOUT', port: 9050 })
  assert.deepEqual([clock.now(), sock.empty], [5000, true])
})

test('a handshake that fails leaves nothing open either', async () => {
  const { sock } = reach({ send: { 2: 'EPIPE' } })
  await assert.rejects(dial({ create: () => sock }, PROXY, destination), { code: 'EPIPE' })
  assert.equal(sock.empty, true)
})

test('a proxy without an address is refused before anything is opened', async () => {
  const create = () => assert.fail('opened')
  await assert.rejects(dial({ create }, 'localhost:9050', destination), { code: 'ERR_INVALID_ADDRESS' })
})
