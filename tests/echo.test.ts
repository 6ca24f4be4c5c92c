import { createCipheriv, createHash, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { SockError } from '@sockman/core'
import { describe, expect, test } from 'vitest'
import { ended, start } from './child'
import { type Row, requireRow, rows } from './rows'
import { full } from './size'

const total = full ? 2 ** 30 : 2 ** 26
const timeout = full ? 300_000 : 60_000

interface Digests {
  sent: string
  received: string
}

/** An endless random stream that never repeats: the keystream of AES-CTR. `seed` is 0 to 2³² - 1. */
function randomStream(seed: number): (length: number) => Uint8Array {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  return (length) => cipher.update(Buffer.alloc(length))
}

/** Sends `total` random bytes in writes of 1 byte to 256 KiB, every other one borrowed, and reads them back. */
function echoedBy(port: number, row: Row, seed: number): Promise<Digests> {
  const [sent, received] = [createHash('sha256'), createHash('sha256')]
  const bytes = randomStream(seed)
  let left = total
  let writes = 0
  return new Promise((resolve, reject) => {
    const write = () => {
      let room = true
      while (room && left > 0) {
        const chunk = bytes(Math.min(left, Math.floor(2 ** (Math.random() * 18))))
        left -= chunk.length
        sent.update(chunk)
        room = man.send(id, chunk, { borrow: writes++ % 2 === 0 })
      }
      if (left === 0) man.shutdown(id)
    }
    const man = row.backend.createSockMan(
      {
        onConnected: write,
        onReadyToSend: () => left > 0 && write(),
        onData: (_id, data) => received.update(data),
        onEof: () => man.close(id),
        onClosed: () =>
          man
            .stop()
            .then(() => resolve({ sent: sent.digest('hex'), received: received.digest('hex') }), reject),
        onConnectFailed: (_id, error) => reject(error),
        onError: (_id, error) => reject(error),
      },
      { drive: row.drive },
    )
    const id = man.connect(`127.0.0.1:${port}`)
  })
}

/** Echoes one connection after the other on a port of its own; `failed` rejects when one breaks. */
function echoServer(row: Row) {
  let fail: (error: SockError) => void
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  const man = row.backend.createSockMan(
    {
      onData(id, data) {
        if (!man.send(id, data)) man.pause(id)
      },
      onReadyToSend: (id) => man.resume(id),
      onEof: (id) => man.close(id, { flush: true, timeout }),
      onError: (_id, error) => fail(error),
    },
    { drive: row.drive },
  )
  return { man, port: man.listen('127.0.0.1:0').address.port, failed }
}

for (const row of rows) {
  describe(`C42 C53 ${row.name} and Python's socket exchange ${total / 2 ** 20} MiB, byte-exact`, () => {
    test('we send, Python echoes', async (context) => {
      requireRow(row, context)
      const seed = randomInt(2 ** 32)
      const python = start('peer.py', ['echo'], { timeout })
      const end = ended(python)
      const [port] = (await once(createInterface(python.stdout as Readable), 'line')) as [string]
      const ours = await echoedBy(Number(port), row, seed)
      const { code, stdout, stderr } = await end
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const theirs = JSON.parse(stdout.split('\n')[1]!) as Digests
      expect({ seed, ours, theirs: theirs.received }).toEqual({
        seed,
        ours: { sent: ours.sent, received: ours.sent },
        theirs: ours.sent,
      })
    })

    test('Python sends, we echo', async (context) => {
      requireRow(row, context)
      const seed = randomInt(2 ** 32)
      const { man, port, failed } = echoServer(row)
      const python = ended(
        start('peer.py', ['source', String(port), String(total), String(seed)], { timeout }),
      )
      const { code, stdout, stderr } = await Promise.race([python, failed])
      await man.stop()
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const { sent, received } = JSON.parse(stdout) as Digests
      expect({ seed, received }).toEqual({ seed, received: sent })
    })
  })
}
