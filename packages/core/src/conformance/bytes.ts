import assert from 'node:assert/strict'
import { createHash, type Hash } from 'node:crypto'

/** A generator of 32-bit numbers that always gives the same ones for a seed (xorshift32). */
export function random(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Bytes without a short period: a misplaced block shows. */
export function pattern(length: number, seed = 1): Buffer {
  const words = new Int32Array(Math.ceil(length / 4))
  // The generator above, without a call for each word: many cases begin with megabytes.
  let state = seed | 0 || 1
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[at] = state
  }
  return Buffer.from(words.buffer, 0, length)
}

/** Views of `source`, repeated as needed, with sizes from 1 to `largest`, `total` bytes in all. */
export function* slices(source: Buffer, total: number, largest: number, seed: number): Generator<Buffer> {
  const next = random(seed)
  for (let sent = 0; sent < total; ) {
    const at = sent % source.length
    const size = Math.min(1 + (next() % largest), total - sent, source.length - at)
    yield source.subarray(at, at + size)
    sent += size
  }
}

/** The digest of `total` bytes of `source`, repeated as needed. */
export function digestOf(source: Buffer, total: number): string {
  const hash = sha256()
  for (let done = 0; done < total; done += source.length) hash.update(source.subarray(0, total - done))
  return hash.digest('hex')
}

/** The hash that large transfers are compared by. */
export function sha256(): Hash {
  return createHash('sha256')
}

/** Asserts that the bytes are the same; the message says where they part instead of printing them. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return
  const at = actual.findIndex((byte, index) => byte !== expected[index])
  const where = at < 0 ? 'cut short or too long' : `different from byte ${at} on`
  assert.fail(`${actual.length} bytes instead of ${expected.length}, ${where}`)
}

/** Calls `send` with what the generator has next, until it says that there is no room or nothing is left. */
export function pour(source: Iterator<Buffer>, send: (data: Buffer) => boolean): void {
  // No for-of, which would end the generator when it stops.
  for (let next = source.next(); !next.done; next = source.next()) if (!send(next.value)) return
}
