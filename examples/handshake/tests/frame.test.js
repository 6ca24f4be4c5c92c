import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode, FrameParser, HEADER_SIZE, MAX_PAYLOAD } from '../src/frame.js'
import { MAGIC } from './world.js'

const messages = [
  { command: 'verack', payload: new Uint8Array(0) },
  { command: 'ping', payload: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]) },
  { command: 'twelve-bytes', payload: new Uint8Array(MAX_PAYLOAD).fill(7) },
  { command: 'verack', payload: new Uint8Array(0) },
]
const stream = Buffer.concat(messages.map(({ command, payload }) => encode(MAGIC, command, payload)))

/**
 * What comes of `chunks`, each of which is overwritten once it was pushed, as a SockMan does with `poison`.
 *
 * @param {Uint8Array[]} chunks
 */
function parse(chunks) {
  const parser = new FrameParser(MAGIC)
  const found = []
  for (const chunk of chunks) {
    const borrowed = Uint8Array.from(chunk)
    for (const { command, payload } of parser.push(borrowed))
      found.push({ command, payload: new Uint8Array(payload) })
    borrowed.fill(0xdb)
  }
  return { found, between: parser.between }
}

test('messages are the same however the stream is cut in two', () => {
  for (let at = 0; at <= stream.length; at++) {
    const { found, between } = parse([stream.subarray(0, at), stream.subarray(at)])
    assert.deepEqual(found, messages, `cut at ${at}`)
    assert.ok(between)
  }
})

test('messages are the same in pieces of any length', () => {
  for (let length = 1; length <= stream.length; length++) {
    const chunks = []
    for (let at = 0; at < stream.length; at += length) chunks.push(stream.subarray(at, at + length))
    assert.deepEqual(parse(chunks).found, messages, `pieces of ${length}`)
  }
})

test('a message that lies in a chunk whole is not copied', () => {
  for (const { payload } of new FrameParser(MAGIC).push(stream)) assert.equal(payload.buffer, stream.buffer)
})

test('a stream that ends within a message is known', () => {
  assert.equal(parse([stream.subarray(0, stream.length - 1)]).between, false)
})

test('a wrong magic is known after 4 bytes, a length beyond the bound after the header', () => {
  const wrong = encode(MAGIC + 1, 'ping')
  assert.throws(() => parse([wrong.subarray(0, 4)]), { code: 'WRONG_MAGIC' })
  const oversized = encode(MAGIC, 'ping', new Uint8Array(MAX_PAYLOAD + 1))
  assert.throws(() => parse([oversized.subarray(0, HEADER_SIZE)]), { code: 'OVERSIZED' })
})

test('a damaged payload is known by its checksum', () => {
  const damaged = encode(MAGIC, 'ping', new Uint8Array(8))
  damaged[HEADER_SIZE] = 1
  assert.throws(() => parse([damaged]), { code: 'BAD_CHECKSUM' })
})
