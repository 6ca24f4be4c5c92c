import assert from 'node:assert/strict'
import { closeSync, fstatSync, openSync } from 'node:fs'
import type { Sock } from '../sock'
import { ErrorEvent, RecvEvent, SendEvent, SO_LINGER, SOL_SOCKET } from '../sock/constants'
import { code, DAY, exchange, inPair, LF, recvText, type SockCase, sendText } from './sock-case'

/** A view whose memory is elsewhere now. */
function detached(): Uint8Array {
  const view = new Uint8Array(64)
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

/** Wrong arguments of every kind: a typed error, never a crash, and the Sock works on. */
export const sockInput: readonly SockCase[] = [
  {
    title: 'fromFd: a file, a string, nothing; the descriptor stays the caller’s',
    needs: 'create',
    run(kind) {
      const file = openSync(process.execPath, 'r')
      assert.throws(() => kind.fromFd!(file), code('ENOTSOCK'))
      assert.equal(fstatSync(file).isFile(), true)
      closeSync(file)
      for (const fd of ['3', null, undefined, {}, 3n]) {
        assert.throws(() => kind.fromFd!(fd as never), code('ERR_INVALID_ARG_TYPE'))
      }
    },
  },
  {
    title: 'a descriptor that was closed behind its back: EBADF, and ErrorEvent',
    needs: 'create',
    run(kind) {
      // Another thread of this process may open something at any time, and gets the lowest free number: that is one of
      // these, not the number of the Sock that is closed below.
      const lower = Array.from({ length: 32 }, () => kind.pair()).flat()
      return inPair(kind, async (one, two) => {
        for (const sock of lower) sock.close()
        kind.fromFd!(one.fd).close()
        assert.throws(() => one.send(new Uint8Array(1)), code('EBADF', { syscall: 'send' }))
        assert.throws(() => one.recv(new Uint8Array(1)), code('EBADF', { syscall: 'recv' }))
        assert.equal(one.waitSync(DAY, RecvEvent) & ErrorEvent, ErrorEvent)
        const map = new Map([one, two].map((sock) => [sock, { requested: RecvEvent, occurred: 0 }]))
        assert.ok(one.waitManySync(map, DAY) >= 1)
        assert.equal(map.get(one)!.occurred & ErrorEvent, ErrorEvent)
        assert.equal((await one.wait(DAY, RecvEvent)) & ErrorEvent, ErrorEvent)
        assert.match((one.isConnected() as { reason: string }).reason, /^Bad file descriptor/)
        // The number is anybody's now.
        one.release()
      })
    },
  },
  {
    title: 'buffers: detached, empty, of another type; parts of one; shared memory',
    needs: 'create',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const gone = detached()
        const bad = [gone, new Uint16Array(4), new ArrayBuffer(4), 'text', undefined, null]
        for (const buffer of bad as Uint8Array[]) {
          assert.throws(() => one.send(buffer), code('ERR_INVALID_ARG_TYPE'))
          assert.throws(() => one.recv(buffer, 0, 4), code('ERR_INVALID_ARG_TYPE'))
          if (typeof buffer !== 'string') {
            await assert.rejects(one.sendComplete(buffer), code('ERR_INVALID_ARG_TYPE'))
          }
        }
        assert.throws(() => one.getSockOpt(SOL_SOCKET, SO_LINGER, gone), code('ERR_INVALID_ARG_TYPE'))
        assert.throws(() => one.setSockOpt(SOL_SOCKET, SO_LINGER, gone), code('ERR_INVALID_ARG_TYPE'))
        assert.throws(() => one.setSockOpt(SOL_SOCKET, SO_LINGER, new Uint8Array(0)), code('EINVAL'))
        assert.equal(one.getSockOpt(SOL_SOCKET, SO_LINGER, new Uint8Array(0)), 0)
        assert.throws(() => one.recv(new Uint8Array(0)), code('ERR_OUT_OF_RANGE'))
        for (const length of [0, 5, -1, 1.5, Number.NaN]) {
          assert.throws(() => one.recv(new Uint8Array(4), 0, length), code('ERR_OUT_OF_RANGE'))
        }
        for (const offset of [5, -1, 0.5]) {
          assert.throws(() => one.send(new Uint8Array(4), 0, offset), code('ERR_OUT_OF_RANGE'))
        }
        assert.equal(one.send(new Uint8Array(0)), 0)
        await one.sendComplete(new Uint8Array(0))
        await one.sendComplete('')
        const shared = new Uint8Array(new SharedArrayBuffer(16), 4, 8).fill(65)
        assert.equal(one.send(shared, 0, 5), 3)
        const whole = new Uint8Array(new SharedArrayBuffer(8))
        assert.equal(two.recv(whole.subarray(2, 7)), 3)
        assert.deepEqual([...whole], [0, 0, 65, 65, 65, 0, 0, 0])
        exchange(two, one, 'works on')
      }),
  },
  {
    title: 'data that is detached under a sendComplete: an error, and how far it came',
    needs: 'create',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const data = new Uint8Array(16 << 20)
        const failed = one.sendComplete(data, { timeout: DAY }).catch((error) => error)
        structuredClone(data.buffer, { transfer: [data.buffer] })
        two.recv(new Uint8Array(1 << 20))
        const error = await failed
        assert.equal(error.code, 'ERR_INVALID_ARG_TYPE')
        assert.ok(error.bytesSent > 0)
      }),
  },
  {
    title: 'timeouts, events, flags and terminators that are none',
    run: (kind) =>
      inPair(kind, async (one, two) => {
        const map = new Map([[one, { requested: RecvEvent, occurred: 7 }]])
        for (const timeout of [Number.NaN, -1, -0.001, Number.NEGATIVE_INFINITY, '5', null]) {
          const wrong = timeout as number
          const error = code(typeof timeout === 'number' ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARG_TYPE')
          await assert.rejects(one.wait(wrong, RecvEvent), error)
          await assert.rejects(one.waitMany(map, wrong), error)
          await assert.rejects(one.sendComplete('x', { timeout: wrong }), error)
          await assert.rejects(one.recvUntilTerminator(LF, { timeout: wrong }), error)
          assert.throws(() => one.waitSync(wrong, RecvEvent), error)
          assert.throws(() => one.waitManySync(map, wrong), error)
          assert.throws(() => one.sendCompleteSync('x', { timeout: wrong }), error)
          assert.throws(() => one.recvUntilTerminatorSync(LF, { timeout: wrong }), error)
        }
        for (const byte of [-1, 256, 0.5, Number.NaN]) {
          await assert.rejects(one.recvUntilTerminator(byte), code('ERR_OUT_OF_RANGE'))
          assert.throws(() => one.recvUntilTerminatorSync(byte), code('ERR_OUT_OF_RANGE'))
          await assert.rejects(one.wait(0, byte), code('ERR_OUT_OF_RANGE'))
        }
        for (const byte of ['\n', undefined, null, {}]) {
          await assert.rejects(one.recvUntilTerminator(byte as number), code('ERR_INVALID_ARG_TYPE'))
        }
        assert.throws(() => one.send(new Uint8Array(1), -1), code('ERR_OUT_OF_RANGE'))
        assert.throws(() => one.shutdown(3), code('ERR_OUT_OF_RANGE'))
        assert.throws(() => one.listen(-1), code('ERR_OUT_OF_RANGE'))
        assert.equal(map.get(one)!.occurred, 7)
        assert.equal(await one.wait(DAY, SendEvent), SendEvent)
        sendText(two, 'works on')
        assert.equal(recvText(one), 'works on')
      }),
  },
  {
    title: 'addresses and families that are none',
    needs: 'create',
    run(kind) {
      for (const family of ['ipv5', '', undefined, 4]) {
        assert.throws(() => kind.create!(family as never), code('ERR_INVALID_ARG_VALUE'))
      }
      const sock: Sock = kind.create!('ipv6')
      for (const call of [sock.connect, sock.bind]) {
        assert.throws(() => call.call(sock, 'localhost:1'), code('ERR_INVALID_ADDRESS'))
        assert.throws(() => call.call(sock, '[fe80::1%none]:1'), code('ENODEV'))
      }
      assert.throws(() => sock.bind('127.0.0.1:0'), code('EINVAL'))
      assert.throws(() => sock.getPeerName(), code('ENOTCONN', { syscall: 'getpeername' }))
      assert.throws(() => sock.accept(), code('EINVAL'))
      sock.close()
    },
  },
]
