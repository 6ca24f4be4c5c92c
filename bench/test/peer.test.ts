import { SockAddr } from '@sockman/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Peer } from '../src/ibd/peer'
import type { PeerOwner, Request } from '../src/ibd/peer-owner'
import { type ConnectionEvents, SendQueueFull, type Transport } from '../src/rows/transport'
import { sha256d } from '../src/wire/hash'
import { encodeHeader, encodeHeaders, encodeMessage, encodeVersion } from '../src/wire/message'
import { MAGIC } from '../src/wire/network'
import { GENESIS } from './genesis'

const STALL = 5000
/** After the time is over, one look at what has come meanwhile: an immediate is a millisecond of faked timers. */
const LOOK = 2
const message = (command: string, payload?: Uint8Array) => encodeMessage(MAGIC.regtest, command, payload)
const VERSION = message('version', encodeVersion('/fake:1/', 7))
const VERACK = message('verack')
const BLOCK = message('block', GENESIS)
const request = (): Request => ({
  index: 0,
  hash: sha256d(GENESIS.subarray(0, 80)),
  size: undefined,
  sentAt: 0,
})

/** The header of a message whose payload never comes. */
function announce(command: string, length: number): Buffer {
  const header = encodeHeader(MAGIC.regtest, command, Buffer.alloc(0))
  header.writeUInt32LE(length, 16)
  return header
}

/** A peer without a network: what comes in is called, what goes out is noted. */
class Line implements PeerOwner {
  readonly peer: Peer
  readonly sent: { command: string; payload: Buffer }[] = []
  dropped: string | undefined
  blocks = 0
  headers = 0
  isFull = false
  #events!: ConnectionEvents

  constructor() {
    const transport: Transport = {
      row: 'none',
      connect: (_address, events) => {
        this.#events = events
      },
      listen: () => Promise.reject(new Error('nobody listens here')),
      send: (_connection, data) => {
        if (this.isFull) throw new SendQueueFull()
        const bytes = Buffer.from(data)
        const command = bytes.toString('latin1', 4, 16).replace(/\0+$/, '')
        this.sent.push({ command, payload: bytes.subarray(24) })
      },
      close() {},
      counters: () => undefined,
      stop: () => Promise.resolve(),
    }
    const address = SockAddr.parse('127.0.0.1:1')
    const options = {
      name: 'peer',
      address,
      magic: MAGIC.regtest,
      verify: 'checksum',
      stallTimeout: STALL,
    } as const
    this.peer = new Peer(transport, options, this)
  }

  /** The handshake is done. */
  static ready(): Line {
    const line = new Line()
    line.open()
    line.says(VERSION, VERACK)
    expect(line.peer.state).toBe('ready')
    return line
  }

  open(): void {
    this.#events.onOpen()
  }

  says(...parts: Uint8Array[]): void {
    for (const part of parts) this.#events.onData(part)
  }

  /** Byte after byte, `every` ms, until all are said or the peer is dropped; how many were. */
  drips(bytes: Uint8Array, every: number): number {
    let at = 0
    for (; at < bytes.length && !this.peer.isDropped; at++) {
      this.says(bytes.subarray(at, at + 1))
      vi.advanceTimersByTime(every)
    }
    return at
  }

  onReady(): void {}
  onChunk(): void {}
  onHeaders(): void {
    this.headers++
  }
  onBlock(): void {
    this.blocks++
  }
  onDropped(peer: Peer, reason: string): void {
    peer.inFlight.splice(0)
    this.dropped = reason
  }
}

describe('the handshake', () => {
  it.each<[what: string, bytes: Uint8Array[], reason: string]>([
    ['verack before version', [VERACK, VERSION], 'sent verack before its version'],
    ['a ping before version', [message('ping', Buffer.alloc(8))], 'sent ping before its version'],
    ['version twice', [VERSION, VERSION], 'sent a second version'],
    ['version after the handshake', [VERSION, VERACK, VERSION], 'sent a second version'],
    ['verack twice', [VERSION, VERACK, VERACK], 'sent a second verack'],
    [
      'a version that is cut',
      [message('version', Buffer.alloc(30))],
      'sent a malformed version message: the data ends at byte 30, 76 more were expected at 4',
    ],
    [
      'a user agent without end',
      [
        message(
          'version',
          Buffer.concat([encodeVersion('', 0).subarray(0, 80), Buffer.alloc(9, 0xff), Buffer.alloc(9)]),
        ),
      ],
      'sent a malformed version message: a count of 18446744073709552000 at byte 81',
    ],
    [
      'a version of megabytes',
      [announce('version', 3_999_999)],
      'sent a version message of 3999999 bytes, at most 1024 are possible',
    ],
    [
      'a message of four gigabytes',
      [VERSION, announce('addr', 0xffff_ffff)],
      'addr message of 4294967295 bytes, at most 4000000 are allowed',
    ],
    ['a verack with a payload', [VERSION, announce('verack', 1)], /verack message of 1 bytes, at most 0/],
    [
      'headers of megabytes',
      [VERSION, VERACK, announce('headers', 4_000_000)],
      'sent a headers message of 4000000 bytes, at most 162003 are possible',
    ],
    ['an empty notfound', [VERSION, VERACK, message('notfound', Buffer.alloc(1))], 'sent an empty notfound'],
  ] as [string, Uint8Array[], string][])('with %s ends', (_what, bytes, reason) => {
    const line = new Line()
    line.open()
    line.says(...bytes)
    expect(line.dropped).toMatch(reason)
    line.peer.close()
  })
})

describe('what nobody asked for', () => {
  const ping = message('ping', Buffer.from('12345678'))
  const addr = message('addr', Buffer.alloc(30_000))
  const announcement = message('headers', encodeHeaders([GENESIS.subarray(0, 80)]))

  it.each([
    ['pings', ping, 'sent more than 1000 messages that nobody asked for, the last a ping, and no answer'],
    ['announcements of headers', announcement, /1000 messages .* the last a headers/],
    ['empty messages that are not known here', message('whatever'), /1000 messages .* the last a whatever/],
    ['addresses', addr, 'sent more than 8000000 bytes that nobody asked for, the last a addr, and no answer'],
  ])('is bounded: %s', (_what, bytes, reason) => {
    const line = Line.ready()
    line.peer.requestBlocks([request()])
    let times = 0
    for (; times < 2000 && !line.peer.isDropped; times++) line.says(bytes)
    expect(times).toBeLessThanOrEqual(1001)
    expect(line.dropped).toMatch(reason)
    expect(line.sent.length).toBeLessThanOrEqual(1003)
  })

  it('is bounded until the next answer only', () => {
    const line = Line.ready()
    for (let round = 0; round < 3; round++) {
      line.peer.requestBlocks([request()])
      for (let times = 0; times < 900; times++) line.says(ping)
      line.says(BLOCK)
    }
    expect({ dropped: line.dropped, blocks: line.blocks }).toEqual({ dropped: undefined, blocks: 3 })
    line.peer.close()
  })

  it('is bounded in one chunk, too', () => {
    const line = Line.ready()
    line.says(Buffer.concat(new Array<Buffer>(5000).fill(ping)))
    expect(line.sent.filter(({ command }) => command === 'pong')).toHaveLength(1000)
    expect(line.peer.isDropped).toBe(true)
  })

  it('is not echoed beyond the nonce of a ping', () => {
    const line = Line.ready()
    line.says(message('ping', Buffer.alloc(1_000_000, 7)), message('ping'), message('ping', Buffer.alloc(3)))
    expect(line.sent.slice(2)).toEqual([{ command: 'pong', payload: Buffer.alloc(8, 7) }])
    line.peer.close()
  })
})

describe('a peer that does not read', () => {
  it.each<[what: string, act: (line: Line) => void]>([
    ['pong', (line) => line.says(message('ping', Buffer.alloc(8)))],
    ['getdata', (line) => line.peer.requestBlocks([request()])],
    ['getheaders', (line) => line.peer.requestHeaders(Buffer.alloc(32))],
  ])('is dropped when a %s finds no room', (_what, act) => {
    const line = Line.ready()
    line.isFull = true
    act(line)
    expect(line.dropped).toMatch('the peer does not read what it is sent: the send queue is full')
    expect(line.peer.inFlight).toEqual([])
  })
})

describe('the time of a peer', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is bounded for a block, however often a byte of it comes', () => {
    const line = Line.ready()
    line.peer.requestBlocks([request()])
    // One more is read before the end is told: this process may itself have been late.
    expect(line.drips(BLOCK, 100)).toBe(51)
    expect(line.dropped).toBe(
      'stalled: no complete block within 5 s (--stall-timeout) in the middle of a block',
    )
  })

  it('is not over for a block that came in time, however late this process looks', () => {
    const line = Line.ready()
    line.peer.requestBlocks([request()])
    vi.advanceTimersByTime(STALL - 1)
    // The timer comes first, and then what was there before it: in two turns.
    setImmediate(() => line.says(BLOCK.subarray(0, 100)))
    vi.advanceTimersByTime(1)
    setImmediate(() => line.says(BLOCK.subarray(100)))
    vi.advanceTimersByTime(10)
    expect({ dropped: line.dropped, blocks: line.blocks }).toEqual({ dropped: undefined, blocks: 1 })
  })

  it('begins anew with every block that is complete', () => {
    const line = Line.ready()
    line.peer.requestBlocks([request(), request(), request()])
    for (let blocks = 1; blocks <= 3; blocks++) {
      vi.advanceTimersByTime(STALL - 1)
      line.says(BLOCK)
      expect({ dropped: line.dropped, blocks: line.blocks }).toEqual({ dropped: undefined, blocks })
    }
    vi.advanceTimersByTime(10 * STALL)
    expect(line.dropped).toBeUndefined()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not begin anew when more blocks are asked for, nor with messages in between', () => {
    const line = Line.ready()
    line.peer.requestBlocks([request()])
    vi.advanceTimersByTime(STALL - 1)
    line.peer.requestBlocks([request()])
    line.says(message('inv', Buffer.alloc(37)))
    vi.advanceTimersByTime(LOOK)
    expect(line.dropped).toBe('stalled: no complete block within 5 s (--stall-timeout)')
  })

  it.each<[what: string, ask: (line: Line) => void, bytes: Uint8Array, reason: RegExp]>([
    [
      'a message that nobody asked for',
      () => {},
      announce('addr', 30_000),
      /no complete message .* of a addr$/,
    ],
    [
      'the header of one',
      () => {},
      announce('addr', 1).subarray(0, 20),
      /no complete message .* message header$/,
    ],
    [
      'headers',
      (line) => line.peer.requestHeaders(Buffer.alloc(32)),
      message('headers', encodeHeaders(new Array<Buffer>(2000).fill(GENESIS.subarray(0, 80)))),
      /no headers within .* of a headers$/,
    ],
  ])('is bounded for %s', (_what, ask, bytes, reason) => {
    const line = Line.ready()
    ask(line)
    line.drips(Buffer.concat([bytes, Buffer.alloc(100)]).subarray(0, bytes.length), 100)
    vi.advanceTimersByTime(STALL)
    expect(line.dropped).toMatch(reason)
  })

  it('is its own while nothing is asked and no message begun', () => {
    const line = Line.ready()
    line.says(message('addr', Buffer.alloc(30_000)))
    line.drips(message('ping', Buffer.alloc(8)), 10)
    vi.advanceTimersByTime(100 * STALL)
    expect(line.dropped).toBeUndefined()
    expect(vi.getTimerCount()).toBe(0)
  })
})
