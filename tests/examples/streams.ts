// What the tests of the programs do with streams.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Duplex, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'

export const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Reads up to the end of the stream, and leaves our side open. */
export async function rest(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  await finished(stream, { writable: false })
  return Buffer.concat(parts)
}

/** Reads `length` bytes, and leaves what follows. */
export async function take(stream: Duplex, length: number): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let left = length; left > 0; ) {
    const part = stream.read(Math.min(left, stream.readableLength || left)) as Buffer | null
    if (part === null) {
      if (stream.readableEnded) throw new Error(`the stream ended ${left} bytes too early`)
      await once(stream, 'readable')
    } else {
      parts.push(part)
      left -= part.length
    }
  }
  return Buffer.concat(parts)
}

/** The code of the error that ends a stream. */
export async function failure(stream: Duplex): Promise<string> {
  const [error] = await once(stream, 'error')
  return error.code
}

/** Waits for lines, one after the other. */
export function linesOf(stream: Readable): () => Promise<string> {
  const lines = createInterface({ input: stream })[Symbol.asyncIterator]()
  return async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the stream has ended')
    return value
  }
}
