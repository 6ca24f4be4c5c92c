import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { http } from '../../examples/programs/http.js'
import { requireRow, rows } from '../rows'
import { listensAsProcess } from './process'
import { rest } from './streams'
import { everywhere, KI, onRow, stopLater, type World, watching } from './world'

describe('examples/programs/http.js', () => {
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const LAST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n'

  /** Status and body of each answer. */
  function answersIn(bytes: Buffer): [status: number, body: string][] {
    const all = [...String(bytes).matchAll(/HTTP\/1\.1 (\d+) (?:[^\r]|\r\n(?!\r\n))*\r\n\r\n([^H]*)/g)]
    return all.map(([, status, body]) => [Number(status), body!])
  }

  async function serverOf(world: World) {
    return stopLater(await http(world.address(), world.create))
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
    [200, 'GET / HTTP/1.0\r\nContent-Length: 0 \r\nX: 5\r\n\r\n'],
    [200, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${'x'.repeat(8_000)}\r\n\r\n`],
    [400, '\r\n\r\n'],
    [400, 'hello\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a\r\nBad : b\r\n\r\n'],
    [413, 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'],
    [413, 'GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'],
    [431, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9_000)}`],
    [431, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(9_000)}\r\n\r\n`],
    [413, 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\ncontent-length:\t15\r\n\r\n'],
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
    const { listener } = stopLater(await http(world.address(true), create))
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

  listensAsProcess('examples/programs/http.js', 'http://')
})
