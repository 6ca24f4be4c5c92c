import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MSG_PEEK } from '@sockman/core'
import { createMemoryNetwork } from '@sockman/core/memory'
import { dial } from '../src/dial.js'
import { serveProxy } from './memory-proxy.js'

/** @import { MemoryNetwork } from '@sockman/core/memory' */

const PROXY = '10.0.0.2:1080'
const NAMES = { 'example.org': '10.0.0.3' }
const destination = { host: 'example.org', port: 80 }
/** Bytes of the client's part of the handshake. */
const HANDSHAKE = 3 + 7 + destination.host.length
const { SOCKMAN_SEED } = process.env
const seeds = SOCKMAN_SEED ? [Number(SOCKMAN_SEED)] : Array.from({ length: 1000 }, (_, n) => n + 1)

/**
 * The client's host and the proxy's on a network of that seed, and one that says `welcome`, then echoes.
 *
 * @param {number} seed
 * @param {{ dropAfter?: number, reset?: boolean }} [loss]
 */
function surroundings(seed, loss) {
  const network = createMemoryNetwork({ seed, clock: 'auto' })
  const [home, relay, away] = [network.host('10.0.0.1'), network.host('10.0.0.2'), network.host('10.0.0.3')]
  serveProxy(relay, PROXY, NAMES, loss)
  const echo = away.createSockMan({
    onAccepted: (id) => void echo.send(id, Buffer.from('welcome ')),
    onData: (id, data) => void echo.send(id, data),
  })
  echo.listen('10.0.0.3:80')
  return { network, home, relay }
}

/**
 * For each seed; the one that fails is in the message, with what happened last.
 *
 * @param {(seed: number) => { network: MemoryNetwork, run: () => Promise<void> }} begin
 */
async function eachSeed(begin) {
  for (const seed of seeds) {
    const { network, run } = begin(seed)
    try {
      await run()
    } catch (error) {
      throw new Error(`SOCKMAN_SEED=${seed}\n${network.report()}`, { cause: error })
    }
  }
}

test('through the proxy, then adopted: what came behind its reply comes first', async () => {
  let early = 0
  await eachSeed((seed) => {
    const { network, home } = surroundings(seed)
    const run = async () => {
      const sock = await dial(home.socks, PROXY, destination)
      if (sock.recv(new Uint8Array(1), MSG_PEEK) > 0) early++
      let received = ''
      const whole = new Promise((resolve) => {
        const man = home.createSockMan({
          onData(id, data) {
            received += Buffer.from(data).toString()
            if (received.length < 'welcome ping'.length) return
            man.close(id)
            resolve(received)
          },
        })
        man.send(man.adopt(sock), Buffer.from('ping'))
      })
      assert.equal(sock.empty, true)
      assert.equal(await whole, 'welcome ping')
      await network.run()
    }
    return { network, run }
  })
  assert.ok(early > 0, 'in no seed anything was unread')
})

test('a destination that refuses', async () => {
  await eachSeed((seed) => {
    const { network, home } = surroundings(seed)
    const asked = dial(home.socks, PROXY, { host: 'example.org', port: 81 })
    return { network, run: () => assert.rejects(asked, { code: 'SOCKS5_REFUSED', reply: 5 }) }
  })
})

test('a proxy that is lost in the middle of the handshake', async () => {
  const codes = new Set()
  await eachSeed((seed) => {
    const loss = { dropAfter: 1 + (seed % HANDSHAKE), reset: seed % 2 === 0 }
    const { network, home } = surroundings(seed, loss)
    const run = async () => {
      const error = await dial(home.socks, PROXY, destination).catch((error) => error)
      assert.ok(['ERR_SOCK_EOF', 'ECONNRESET', 'EPIPE'].includes(error.code), error)
      codes.add(error.code)
      await network.run()
    }
    return { network, run }
  })
  if (seeds.length > 1) assert.ok(codes.has('ERR_SOCK_EOF') && codes.has('ECONNRESET'))
})

test('a proxy that is cut off: the time limit, by the clock of the network', async () => {
  await eachSeed((seed) => {
    const { network, home, relay } = surroundings(seed)
    network.setTimeout(() => network.partition(home, relay), seed % 15)
    const run = async () => {
      const error = await dial(home.socks, PROXY, destination, { connectTimeout: 3000, timeout: 9000 }).catch(
        (error) => error,
      )
      if (error.code === 'ETIMEDOUT') assert.equal(network.now(), 3000)
      else {
        assert.equal(error.code, 'ERR_SOCK_TIMEOUT')
        assert.ok(network.now() > 9000 && network.now() < 9100, `${network.now()} ms`)
      }
    }
    return { network, run }
  })
})
