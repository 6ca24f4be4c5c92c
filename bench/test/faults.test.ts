import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { SockAddr } from '@sockman/core'
import { describe, expect, it } from 'vitest'
import { openBlockSet } from '../src/blocks/block-set'
import { Download } from '../src/ibd/download'
import { openTransport, parseBenchRow } from '../src/rows/row'
import type { Transport } from '../src/rows/transport'
import { BlockServer } from '../src/server/block-server'
import { encodeMessage } from '../src/wire/message'
import { MAGIC } from '../src/wire/network'
import { download, PLAN } from './download'
import { BLOCKS, FakePeer, type Fault } from './fake-peer'
import { workingRows } from './rows'

const ROWS = await workingRows('net', 'net:onread=1M')

const FAULTS: Record<string, [fault: Fault, line: RegExp]> = {
  'stalls in the middle of a block': [
    {
      onBlock: (socket, message, nth) =>
        nth < 2 && socket.write(nth === 0 ? message : message.subarray(0, 500_000)),
    },
    /dropped: stalled: no complete block within 0.8 s \(--stall-timeout\) in the middle of a block; its \d+ outstanding blocks are asked from another$/,
  ],
  'hangs up in the middle of a block': [
    { onBlock: (socket, message, nth) => nth === 0 && socket.end(message.subarray(0, 500_000)) },
    /dropped: the peer closed the connection in the middle of a block; its \d+ outstanding/,
  ],
  'resets in the middle of a block': [
    {
      onBlock: (socket, message, nth) =>
        nth === 0 && socket.write(message.subarray(0, 500_000), () => socket.resetAndDestroy()),
    },
    // Behind data that was still there libuv tells node:net of an end of stream instead.
    /dropped: (.*ECONNRESET.*|the peer closed the connection) in the middle of a block; its \d+ outstanding/,
  ],
  'is on another network': [
    { onVersion: (socket) => socket.write(encodeMessage(MAGIC.mainnet, 'verack')) },
    /dropped: wrong network magic f9beb4d9 \(mainnet\), expected fabfb5da \(regtest\)$/,
  ],
  'announces an oversized message': [
    {
      onBlock(socket, message) {
        const oversized = Buffer.from(message)
        oversized.writeUInt32LE(4_000_001, 16)
        socket.write(oversized)
      },
    },
    /dropped: block message of 4000001 bytes, at most 4000000 are allowed; its/,
  ],
  'sends a bad checksum': [
    {
      onBlock(socket, message) {
        const edited = Buffer.from(message)
        edited[edited.length - 1]! ^= 1
        socket.write(edited)
      },
    },
    /dropped: bad checksum of a block message: [0-9a-f]{8}, its header says [0-9a-f]{8}; its/,
  ],
  'sends a block nobody asked for': [
    {
      onBlock(socket) {
        const stranger = Buffer.from(BLOCKS[0]!)
        stranger[79]! ^= 1
        socket.write(encodeMessage(MAGIC.regtest, 'block', stranger))
      },
    },
    /dropped: sent block [0-9a-f]{64}, which was not asked for; its/,
  ],
  'does not have a block': [
    {
      onBlock: (socket) =>
        socket.write(
          encodeMessage(
            MAGIC.regtest,
            'notfound',
            Buffer.concat([Buffer.from([1, 2, 0, 0, 0]), Buffer.alloc(32)]),
          ),
        ),
    },
    /dropped: does not have block 0{64}; its/,
  ],
  'says nothing at all': [
    { onVersion() {} },
    /dropped: stalled: no complete handshake within 0.8 s \(--stall-timeout\) during the handshake$/,
  ],
  'hangs up in the handshake': [
    { onVersion: (socket) => socket.end() },
    /dropped: the peer closed the connection during the handshake$/,
  ],
}

/** An address nobody listens at: one that was free a moment ago. */
async function deadAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `127.0.0.1:${port}`
}

/** What connections, engines and child processes are made of; the test runner opens and closes files of its own. */
function openDescriptors(): string[] {
  const kinds = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`).replace(/:\[\d+\]$/, '')]
    } catch {
      return [] // the one that read the directory
    }
  })
  return kinds.filter((kind) => /^(socket|pipe|anon_inode)/.test(kind)).sort()
}

describe.each(ROWS)('%s', (row) => {
  it.each(Object.entries(FAULTS))(
    'a peer that %s is dropped, its blocks come from another',
    async (_what, [fault, line]) => {
      await using bad = await FakePeer.start(fault)
      await using good = await FakePeer.start()
      const { result, lines } = await download(row, { addresses: [bad.address, good.address] })
      expect(result.checkedBlocks).toBe(BLOCKS.length)
      expect(result.checkedBytes).toBe(BLOCKS.reduce((sum, block) => sum + 24 + block.length, 0))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain(bad.address)
      expect(lines[0]).toMatch(line)
    },
  )

  it('a refused connection is dropped', async () => {
    const dead = await deadAddress()
    await using good = await FakePeer.start()
    const { result, lines } = await download(row, { addresses: [dead, good.address] })
    expect(result.checkedBlocks).toBe(BLOCKS.length)
    expect(lines).toEqual([expect.stringMatching(/dropped: .*ECONNREFUSED/)])
  })

  it('without any peer it says so', async () => {
    const dead = await deadAddress()
    await expect(download(row, { addresses: [dead] })).rejects.toThrow(`no peer reachable at ${dead}`)
  })

  it('with nobody left to ask it counts what is missing', async () => {
    await using bad = await FakePeer.start(FAULTS['hangs up in the middle of a block']![0])
    const missing = `no peer left: ${BLOCKS.length} of ${BLOCKS.length} blocks are missing`
    await expect(download(row, { addresses: [bad.address] })).rejects.toThrow(missing)
  })

  it('kill -9 of the server in the middle of a download ends in that message, and no descriptor is left', async () => {
    const before = openDescriptors()
    const server = await BlockServer.start(openBlockSet('synthetic:large'), SockAddr.parse('127.0.0.1:0'))
    const transport = await openTransport(parseBenchRow(row))
    let bytes = 0
    // Between transport and download, to strike in the middle of the bytes and not after some time.
    const striking: Transport = {
      ...transport,
      connect: (address, events) =>
        transport.connect(address, {
          ...events,
          onData(chunk) {
            const before = bytes
            bytes += chunk.length
            if (before < 50_000_000 && bytes >= 50_000_000) process.kill(server.pid, 'SIGKILL')
            events.onData(chunk)
          },
        }),
    }
    const endless = {
      ...PLAN,
      addresses: [String(server.address)],
      peers: 8,
      verify: 'none',
      laps: 1000,
    } as const
    const missing = /no peer left: \d+ of 128000 blocks are missing/
    await expect(new Download(striking, endless, () => {}).run()).rejects.toThrow(missing)
    await transport.stop()
    expect(await server.ended).toBe('signal SIGKILL')
    await server.stop()
    expect(openDescriptors()).toEqual(before)
  })
})
