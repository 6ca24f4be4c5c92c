import type { ConnectionId } from '@sockman/core'
import { HandshakeNode } from '@sockman/example-handshake'
import { encode } from '@sockman/example-handshake/frame'
import { meet } from '@sockman/example-handshake/meet'
import { encodeNonce, encodeVersion } from '@sockman/example-handshake/payload'
import { describe, expect, test } from 'vitest'
import { requireRow, rows } from './rows'

for (const row of rows) {
  describe(`the handshake example over ${row.name}, unchanged`, () => {
    const sockMan = { drive: row.drive, poison: true }

    test('two nodes meet, ping each other and part', async (context) => {
      requireRow(row, context)
      const lines: string[] = []
      await meet(row.backend, row.backend, '127.0.0.1:0', (line) => lines.push(line), { sockMan })
      for (const name of ['server', 'client']) {
        expect(lines.filter((line) => line.startsWith(name))).toEqual([
          expect.stringMatching(/: ready, 127\.0\.0\.1:\d+ is \/(server|client):1\.0\/$/),
          expect.stringMatching(/: pong after \d+\.\d ms$/),
          expect.stringMatching(/: gone, (STOPPED|CLOSED)$/),
        ])
      }
    })

    test('100 connections shake hands; each end is told of its loss', async (context) => {
      requireRow(row, context)
      const count = 100
      const pongs = counter(2 * count)
      const gone = counter(2 * count)
      const reasons: string[] = []
      const handlers = {
        onPong: pongs.add,
        onGone(_peer: unknown, reason: string) {
          reasons.push(reason)
          gone.add()
        },
      }
      const hub = new HandshakeNode(row.backend, handlers, { sockMan })
      const dialer = new HandshakeNode(row.backend, handlers, { sockMan })
      const address = String(hub.listen('127.0.0.1:0'))
      for (let i = 0; i < count; i++) dialer.connect(address)
      // Every ping is answered: nothing is under way whose loss would make a close a reset (C69).
      await pongs.reached
      for (const { id } of dialer.peers) dialer.drop(id)
      await gone.reached
      expect(reasons.sort()).toEqual([...Array(count).fill('CLOSED'), ...Array(count).fill('DROPPED')])
      expect([hub.peers, dialer.peers]).toEqual([[], []])
      await Promise.all([hub.stop(), dialer.stop()])
    })

    test('a peer that asks and never reads is answered until there is no room, then dropped', async (context) => {
      requireRow(row, context)
      const [magic, sendHighWater, receiveBlock] = [1, 64 * 1024, 64 * 1024]
      const version = encode(magic, 'version', encodeVersion({ protocol: 1, nonce: 99n, userAgent: '/raw/' }))
      const ping = encode(magic, 'ping', encodeNonce(7n))
      let end = (_reason: string) => {}
      const ended = new Promise<string>((resolve) => {
        end = resolve
      })
      const node = new HandshakeNode(
        row.backend,
        { onGone: (_peer, reason) => end(reason) },
        { magic, pingInterval: 1_000, sockMan: { ...sockMan, sendHighWater, receiveBlock } },
      )
      let [asked, queued] = [0, 0]
      const ask = (id: ConnectionId) => {
        for (let room = true; room; asked++) room = man.send(id, ping)
        queued = Math.max(queued, node.stats().queuedBytes)
      }
      const man = row.backend.createSockMan(
        {
          onConnected(id) {
            man.pause(id)
            for (const message of [version, encode(magic, 'verack')]) man.send(id, message)
            ask(id)
          },
          onReadyToSend: ask,
        },
        { drive: row.drive },
      )
      // A Unix socket's buffers are small: what the kernel takes does not grow with the machine.
      man.connect(String(node.listen(`unix:@sockman-handshake-${process.pid}-${row.name}`)))
      expect(await ended).toBe('STALLED')
      expect(asked * ping.length).toBeGreaterThan(sendHighWater + receiveBlock)
      expect(queued).toBeLessThanOrEqual(sendHighWater + receiveBlock)
      await Promise.all([node.stop(), man.stop()])
    })
  })
}

/** Counts to `target`. */
function counter(target: number) {
  let [count, reach] = [0, () => {}]
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  return { add: () => void (++count === target && reach()), reached }
}
