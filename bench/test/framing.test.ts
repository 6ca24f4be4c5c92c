import { describe, expect, it } from 'vitest'
import { Framer, FramingError, type Verify } from '../src/wire/framing'
import { encodeMessage, MAX_PAYLOAD } from '../src/wire/message'
import { MAGIC } from '../src/wire/network'

interface Seen {
  command: string
  length: number
  payload: Buffer
  ended: boolean
}

function collect(verify: Verify = 'checksum') {
  const messages: Seen[] = []
  const framer = new Framer(MAGIC.regtest, verify, {
    onMessageStart: (command, length) =>
      messages.push({ command, length, payload: Buffer.alloc(0), ended: false }),
    onPayload(part) {
      expect(part.length).toBeGreaterThan(0)
      const last = messages.at(-1)!
      last.payload = Buffer.concat([last.payload, part])
    },
    onMessageEnd() {
      messages.at(-1)!.ended = true
    },
  })
  return { framer, messages }
}

/** Deterministic, so that a failure can be repeated. */
function pseudoRandom(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % below
  }
}

const payloads = [0, 1, 8, 79, 300, 5000, 70_000].map((size) => Buffer.alloc(size, size & 0xff))
const stream = Buffer.concat(
  payloads.map((payload, i) => encodeMessage(MAGIC.regtest, i % 2 ? 'block' : 'headers', payload)),
)

function expectAll(messages: Seen[]): void {
  expect(messages.map(({ ended }) => ended)).toEqual(payloads.map(() => true))
  expect(messages.map(({ length }) => length)).toEqual(payloads.map(({ length }) => length))
  for (const [i, { payload }] of messages.entries()) expect(payload.equals(payloads[i]!)).toBe(true)
}

function codeOf(run: () => void): string | undefined {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(FramingError)
    return (error as FramingError).code
  }
  return undefined
}

describe('Framer', () => {
  it('finds every message in one chunk', () => {
    const { framer, messages } = collect()
    framer.push(stream)
    expectAll(messages)
    expect(framer.between).toBe(true)
  })

  it('finds every message byte by byte', () => {
    const { framer, messages } = collect()
    for (const byte of stream) framer.push(Uint8Array.of(byte))
    expectAll(messages)
  })

  it('finds every message in random chunks', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = pseudoRandom(seed)
      const { framer, messages } = collect(seed % 2 ? 'checksum' : 'none')
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + random(seed * 200)
        framer.push(stream.subarray(at, end))
        at = end
      }
      expectAll(messages)
    }
  })

  it('hands a chunk inside a block on as it is', () => {
    const parts: Uint8Array[] = []
    const framer = new Framer(MAGIC.regtest, 'none', {
      onMessageStart() {},
      onPayload: (part) => parts.push(part),
      onMessageEnd() {},
    })
    const message = encodeMessage(MAGIC.regtest, 'block', Buffer.alloc(1000))
    const middle = message.subarray(100, 900)
    framer.push(message.subarray(0, 100))
    framer.push(middle)
    expect(parts.at(-1)).toBe(middle)
    expect(framer.between).toBe(false)
  })

  it('refuses another network after four bytes', () => {
    const { framer } = collect()
    const message = encodeMessage(MAGIC.mainnet, 'verack')
    framer.push(message.subarray(0, 3))
    expect(codeOf(() => framer.push(message.subarray(3, 4)))).toBe('WRONG_MAGIC')
  })

  it('takes 4 000 000 bytes and refuses one more, from the header alone', () => {
    const header = encodeMessage(MAGIC.regtest, 'block')
    header.writeUInt32LE(MAX_PAYLOAD, 16)
    const { framer, messages } = collect('none')
    framer.push(header)
    expect(messages[0]?.length).toBe(4_000_000)

    header.writeUInt32LE(MAX_PAYLOAD + 1, 16)
    const refusing = collect('none')
    expect(codeOf(() => refusing.framer.push(header))).toBe('OVERSIZED')
    expect(refusing.messages).toEqual([])
  })

  it('refuses a malformed command', () => {
    for (const command of ['', 'ping\0x', 'pi ng', 'p\xffng']) {
      const message = encodeMessage(MAGIC.regtest, command)
      expect(
        codeOf(() => collect().framer.push(message)),
        JSON.stringify(command),
      ).toBe('BAD_COMMAND')
    }
  })

  it('refuses a wrong checksum of a block, a control message and an empty message', () => {
    for (const [command, size] of [
      ['block', 500],
      ['headers', 500],
      ['verack', 0],
    ] as const) {
      const message = encodeMessage(MAGIC.regtest, command, Buffer.alloc(size))
      message[20]! ^= 1
      const { framer, messages } = collect()
      expect(
        codeOf(() => framer.push(message)),
        command,
      ).toBe('BAD_CHECKSUM')
      expect(messages[0]?.ended).toBe(false)
    }
  })

  it('with verify none hashes everything but blocks', () => {
    const block = encodeMessage(MAGIC.regtest, 'block', Buffer.alloc(500))
    block[20]! ^= 1
    const { framer, messages } = collect('none')
    framer.push(block)
    expect(messages[0]?.ended).toBe(true)

    const ping = encodeMessage(MAGIC.regtest, 'ping', Buffer.alloc(8))
    ping[24]! ^= 1
    expect(codeOf(() => framer.push(ping))).toBe('BAD_CHECKSUM')
  })
})
