import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { SockAddr } from '@sockman/core'
import { describe, expect, it } from 'vitest'
import { openTransport, parseBenchRow } from '../src/rows/row'
import { encodeHeaders, encodeMessage, encodeVersion } from '../src/wire/message'
import { MAGIC } from '../src/wire/network'
import { download } from './download'
import { BLOCKS, FakePeer, type Fault } from './fake-peer'
import { workingRows } from './rows'

const ROWS = await workingRows('net', 'net:onread=1M')

const message = (command: string, payload?: Uint8Array) => encodeMessage(MAGIC.regtest, command, payload)
const headers = (...list: Uint8Array[]) => message('headers', encodeHeaders(list))
const HEADERS = BLOCKS.map((block) => block.subarray(0, 80))
const invented = (count: number) => Array.from({ length: count }, () => randomBytes(80))

/** One byte every 20 ms. */
function drip(socket: Socket, bytes: Uint8Array): void {
  let at = 0
  const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 20)
  socket.once('close', () => clearInterval(timer))
}

const FAULTS: Record<string, [fault: Fault, line: RegExp]> = {
  'sends a block byte by byte': [
    {
      onBlock(socket, block, nth) {
        if (nth > 0) return
        socket.write(block.subarray(0, 1000))
        drip(socket, block.subarray(1000))
      },
    },
    /dropped: stalled: no complete block within 0.8 s \(--stall-timeout\) in the middle of a block; its/,
  ],
  'sends pings without end and does not read': [
    {
      onBlock(socket) {
        socket.pause()
        const pings = Buffer.concat(new Array<Buffer>(1000).fill(message('ping', Buffer.alloc(8))))
        const more = (error?: Error | null) => error || socket.write(pings, more)
        more()
      },
    },
    /dropped: sent more than 1000 messages that nobody asked for, the last a ping, and no answer; its/,
  ],
  'has no blocks': [{ onHeaders: (socket) => socket.write(headers()) }, /dropped: has no blocks$/],
  'sends a header twice': [
    { onHeaders: (socket) => socket.write(headers(HEADERS[0]!, HEADERS[1]!, HEADERS[0]!)) },
    /dropped: sent the header [0-9a-f]{64} twice$/,
  ],
  'sends headers without end': [
    { onHeaders: (socket) => socket.write(headers(...invented(2000))) },
    /dropped: sent more than 2018 headers, its chain cannot have as many$/,
  ],
  'hangs up between headers of a chain of its own': [
    { onHeaders: (socket, nth) => (nth === 0 ? socket.write(headers(...invented(2000))) : socket.end()) },
    /dropped: the peer closed the connection$/,
  ],
}

describe.each(ROWS)('%s', (row) => {
  it.each(Object.entries(FAULTS))(
    'a peer that %s is dropped, all blocks come from another',
    async (_what, [fault, line]) => {
      await using bad = await FakePeer.start(fault)
      await using good = await FakePeer.start()
      const { result, lines } = await download(row, { addresses: [bad.address, good.address] })
      expect(result.checkedBlocks).toBe(BLOCKS.length)
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain(bad.address)
      expect(lines[0]).toMatch(line)
    },
  )

  it('a chain longer than any is refused, whatever height it is said to have', async () => {
    await using bad = await FakePeer.start({
      onVersion(socket) {
        socket.write(message('version', encodeVersion('/tall:1/', 0xffff_ffff)))
        socket.write(message('verack'))
      },
      onHeaders: (socket) => socket.write(headers(...invented(2000))),
    })
    const lines: string[] = []
    const task = download(row, { addresses: [bad.address], peers: 1, maxBlocks: 5000 }, lines)
    await expect(task).rejects.toThrow('no peer left while the headers were downloaded')
    expect(lines).toEqual([
      expect.stringMatching(/sent more than 5000 headers, its chain cannot have as many$/),
    ])
  })

  it('what a peer does not read is refused beyond a bound', async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    const sockets: Socket[] = []
    server.on('connection', (socket) => sockets.push(socket.on('error', () => {})))
    await once(server, 'listening')
    const { address, port } = server.address() as AddressInfo
    const transport = await openTransport(parseBenchRow(row))
    try {
      const connection = await new Promise((resolve, reject) => {
        const opened: unknown = transport.connect(SockAddr.ip(address, port), {
          onOpen: () => resolve(opened),
          onData() {},
          onClose: (reason) => reject(new Error(reason)),
        })
      })
      const megabyte = Buffer.alloc(2 ** 20)
      let sent = 0
      const flood = () => {
        for (; sent < 200; sent++) transport.send(connection, megabyte)
      }
      expect(flood).toThrow('the peer does not read what it is sent: the send queue is full')
      expect(sent).toBeGreaterThanOrEqual(64)
    } finally {
      await transport.stop()
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  })
})
