import { RecvEvent, SHUT_WR } from '@sockman/core'
import { expect, test } from 'vitest'
import { requireRow, rows } from './rows'

/** How long JavaScript, or the whole process, does not look, ms: several times what each deadline allows. */
const LATE = 300
const DEADLINE = 50

const stall = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LATE)

for (const row of rows) {
  const { backend, drive, name } = row

  test(`C67 ${name}: a flush that the peer ended in time is no reset, however late JavaScript looks`, async (context) => {
    requireRow(row, context)
    const socks = backend.socks!
    const peer = socks.create('ipv4')
    const unsent = await new Promise<number>((resolve) => {
      const man = backend.createSockMan(
        {
          onAccepted: (id) => {
            man.send(id, Buffer.from('last words'))
            setImmediate(() => {
              // The peer's end is in the kernel, and nobody has looked since.
              peer.shutdown(SHUT_WR)
              man.close(id, { flush: true, timeout: DEADLINE, reset: true })
              stall()
            })
          },
          onClosed: (_id, unsentBytes) => void man.stop().then(() => resolve(unsentBytes)),
        },
        { drive },
      )
      peer.connect(man.listen('127.0.0.1:0').address)
    })
    expect(unsent).toBe(0)
    const read = Buffer.alloc(100)
    expect([peer.recv(read), peer.recv(read), `${read.subarray(0, 10)}`]).toEqual([10, 0, 'last words'])
    peer.close()
  })
}

for (const { backend } of rows.filter(({ drive }) => drive === 'thread')) {
  test(`${backend.name}: a wait of a Sock tells what came in time, however late JavaScript looks`, async (context) => {
    requireRow({ backend, drive: 'thread', name: backend.name }, context)
    const [one, two] = backend.socks!.pair()
    const waiting = one.wait(DEADLINE, RecvEvent)
    two.send(Buffer.from('x'))
    stall()
    expect(await waiting).toBe(RecvEvent)
    for (const sock of [one, two]) sock.close()
  })
}
