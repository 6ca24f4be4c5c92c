import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { SockAddr } from '@sockman/core'
import { Block } from 'bitcoinjs-lib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openBlockSet } from '../src/blocks/block-set'
import { BenchError } from '../src/errors'
import { BlockServer } from '../src/server/block-server'

// A client of its own: none of the bench's codec, so that both cannot be wrong in the same way.
const MAGIC = Buffer.from('fabfb5da', 'hex')
const sha256d = (data: Uint8Array) =>
  createHash('sha256').update(createHash('sha256').update(data).digest()).digest()

function message(command: string, payload: Buffer = Buffer.alloc(0), magic = MAGIC): Buffer {
  const header = Buffer.alloc(24)
  magic.copy(header)
  header.write(command, 4)
  header.writeUInt32LE(payload.length, 16)
  sha256d(payload).copy(header, 20, 0, 4)
  return Buffer.concat([header, payload])
}

class RawClient {
  readonly socket: Socket
  #buffer: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#buffer.length < bytes) {
      await new Promise<void>((resolve) => {
        this.socket.once('data', (chunk) => {
          this.socket.pause() // nobody listens until the next chunk is wanted
          this.#buffer = Buffer.concat([this.#buffer, chunk])
          resolve()
        })
        this.socket.resume()
      })
    }
    const taken = this.#buffer.subarray(0, bytes)
    this.#buffer = this.#buffer.subarray(bytes)
    return taken
  }

  async next(): Promise<{ command: string; payload: Buffer }> {
    const header = await this.take(24)
    expect(header.subarray(0, 4)).toEqual(MAGIC)
    const payload = await this.take(header.readUInt32LE(16))
    expect(sha256d(payload).subarray(0, 4)).toEqual(header.subarray(20, 24))
    return { command: header.toString('latin1', 4, 16).replace(/\0+$/, ''), payload }
  }

  /** Whether the server ends this connection without a further byte. */
  async isDropped(): Promise<boolean> {
    this.socket.on('error', () => {}) // a reset is an end as well
    this.socket.resume()
    await once(this.socket, 'close')
    return this.socket.bytesRead === 0
  }
}

/** Memory of a process that is its own, the set not counted. */
const privateMegabytes = (pid: number) =>
  Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

const getheaders = (...locator: Buffer[]) =>
  message(
    'getheaders',
    Buffer.concat([Buffer.alloc(4, 1), Buffer.from([locator.length]), ...locator, Buffer.alloc(32)]),
  )

function getdata(type: number, ...hashes: Buffer[]): Buffer {
  const entries = hashes.map((hash) => {
    const entry = Buffer.alloc(36)
    entry.writeUInt32LE(type)
    hash.copy(entry, 4)
    return entry
  })
  return message('getdata', Buffer.concat([Buffer.from([hashes.length]), ...entries]))
}

function headersOf(payload: Buffer): Buffer[] {
  // Fewer than 253, so that the count is one byte.
  expect(payload.length).toBe(1 + payload[0]! * 81)
  return Array.from({ length: payload[0]! }, (_, i) => payload.subarray(1 + i * 81, 1 + i * 81 + 80))
}

describe.each(['sendfile', 'send'] as const)('serve, by %s', (path) => {
  let server: BlockServer
  let client: RawClient

  beforeAll(async () => {
    server = await BlockServer.start(openBlockSet('synthetic:large'), SockAddr.parse('127.0.0.1:0'), path)
    client = await RawClient.connect(server.address.port)
  })
  afterAll(async () => {
    client.socket.destroy()
    await server.stop()
  })

  it('shakes hands', async () => {
    client.socket.write(message('version', Buffer.alloc(86)))
    const version = await client.next()
    expect(version.command).toBe('version')
    expect(version.payload.readInt32LE(0)).toBe(70016)
    expect(await client.next()).toEqual({ command: 'verack', payload: Buffer.alloc(0) })
    client.socket.write(message('verack'))
  })

  it('answers a ping that comes in pieces', async () => {
    const ping = message('ping', Buffer.from('12345678'))
    client.socket.write(ping.subarray(0, 10))
    client.socket.write(ping.subarray(10, 27))
    client.socket.write(ping.subarray(27))
    expect(await client.next()).toEqual({ command: 'pong', payload: Buffer.from('12345678') })
  })

  it('sends all headers for an unknown locator, those behind the first hash that it knows otherwise', async () => {
    client.socket.write(getheaders(Buffer.alloc(32, 0xee)))
    const all = headersOf((await client.next()).payload)
    expect(all).toHaveLength(128)
    for (let i = 1; i < all.length; i++) expect(all[i]!.subarray(4, 36)).toEqual(sha256d(all[i - 1]!))

    client.socket.write(getheaders(Buffer.alloc(32, 0xee), sha256d(all[99]!), sha256d(all[5]!)))
    expect(headersOf((await client.next()).payload)).toEqual(all.slice(100))
    client.socket.write(getheaders(sha256d(all[127]!)))
    expect(headersOf((await client.next()).payload)).toEqual([])
  })

  it('sends blocks, whole to bitcoinjs-lib, and says which it does not have', async () => {
    client.socket.write(getheaders())
    const headers = headersOf((await client.next()).payload)
    const wanted = [headers[127]!, headers[0]!].map(sha256d)
    client.socket.write(getdata(0x40000002, wanted[0]!, Buffer.alloc(32, 0xee), wanted[1]!))
    const blocks: Buffer[] = []
    for (const hash of wanted) {
      const { command, payload } = await client.next()
      expect(command).toBe('block')
      expect(sha256d(payload.subarray(0, 80))).toEqual(hash)
      blocks.push(payload)
    }
    expect(Block.fromBuffer(blocks[1]!).checkTxRoots()).toBe(true)
    const missing = await client.next()
    expect(missing.command).toBe('notfound')
    expect(missing.payload.subarray(5)).toEqual(Buffer.alloc(32, 0xee))
  })

  it.each([
    ['the magic of another network', message('ping', Buffer.alloc(8), Buffer.from('f9beb4d9', 'hex'))],
    ['an oversized length', Buffer.from(message('ping')).fill(0xff, 16, 20)],
    ['a bad checksum', Buffer.from(message('ping', Buffer.alloc(8))).fill(0, 20, 24)],
    ['a truncated getdata', message('getdata', Buffer.from([2, 1, 2, 3]))],
    ['a truncated getheaders', message('getheaders', Buffer.alloc(20, 1))],
    [
      'an endless locator',
      message('getheaders', Buffer.concat([Buffer.alloc(4), Buffer.from('ffffffffffffffffff', 'hex')])),
    ],
  ])('drops a client that sends %s, and no other', async (_what, bytes) => {
    const bad = await RawClient.connect(server.address.port)
    bad.socket.write(bytes)
    expect(await bad.isDropped()).toBe(true)
    client.socket.write(message('ping', Buffer.from('stillone')))
    expect((await client.next()).payload).toEqual(Buffer.from('stillone'))
  })

  it('survives clients that ask for much and go', async () => {
    client.socket.write(getheaders())
    const hashes = headersOf((await client.next()).payload).map(sha256d)
    for (let i = 0; i < 20; i++) {
      const rude = await RawClient.connect(server.address.port)
      rude.socket.write(getdata(2, ...hashes))
      await rude.take(100_000)
      rude.socket.resetAndDestroy()
    }
    client.socket.write(message('ping', Buffer.from('stillone')))
    expect((await client.next()).payload).toEqual(Buffer.from('stillone'))
  })

  it('queues little for a client that does not read, and answers all when it does', async () => {
    const before = privateMegabytes(server.pid)
    const rude = await RawClient.connect(server.address.port)
    const send = (data: Buffer) => new Promise((resolve) => rude.socket.write(data, resolve))
    for (let times = 0; times < 20; times++) await send(message('ping', Buffer.alloc(4_000_000, times)))
    for (let times = 0; times < 4000; times++) void send(getheaders())
    await send(message('ping', Buffer.from('the last')))
    client.socket.write(message('ping', Buffer.from('stillone')))
    await client.next()
    expect(privateMegabytes(server.pid) - before).toBeLessThan(25)

    for (let times = 0; times < 20; times++) {
      expect(await rude.next()).toEqual({ command: 'pong', payload: Buffer.alloc(8, times) })
    }
    for (let times = 0; times < 4000; times++) expect((await rude.next()).command).toBe('headers')
    expect((await rude.next()).payload).toEqual(Buffer.from('the last'))
    rude.socket.destroy()
  })

  it('reports CPU time and bytes', async () => {
    const usage = await server.usage()
    expect(usage.user + usage.system).toBeGreaterThan(0)
    expect(usage.bytesSent).toBeGreaterThan(3_000_000)
  })
})

describe('the end of serve', () => {
  it('comes with the end of its stdin', async () => {
    const server = await BlockServer.start(openBlockSet('synthetic:large'), SockAddr.parse('127.0.0.1:0'))
    await server.stop()
    expect(await server.ended).toBe('exit code 0')
    await expect(server.usage()).rejects.toThrow(BenchError)
  })

  it('names an address that is taken', async () => {
    await using server = await BlockServer.start(
      openBlockSet('synthetic:large'),
      SockAddr.parse('127.0.0.1:0'),
    )
    const second = BlockServer.start(openBlockSet('synthetic:large'), server.address)
    await expect(second).rejects.toThrow(/the serving process ended/)
  })
})
