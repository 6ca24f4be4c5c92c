import { randomBytes } from 'node:crypto'
import { openSync, readlinkSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { ended, run, start } from './child'
import { requireRow, rows } from './rows'

for (const row of rows) {
  describe(`C79 ${row.name} adopts`, () => {
    test('an inherited socket, with the bytes that waited in it, and echoes them', async (context) => {
      requireRow(row, context)
      const child = start('adopt.mjs', [row.backend.name, row.drive], {
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      })
      const socket = child.stdio[3] as Duplex
      const sent = randomBytes(4 * 1024 * 1024)
      socket.end(sent)
      const [echo, { code, signal, stderr }] = await Promise.all([buffer(socket), ended(child)])
      expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
      expect(echo.equals(sent)).toBe(true)
    })

    for (const how of ['close', 'stop']) {
      test(`a listener that another process holds, too: after ${how}() that process accepts as before`, async (context) => {
        requireRow(row, context)
        const { stdout, stderr } = await run('shared-listener.mjs', [row.backend.name, row.drive, how])
        expect({ stdout, stderr }).toEqual({ stdout: 'from the child', stderr: '' })
      })
    }

    test('no file: the error is typed and the descriptor closed', async (context) => {
      requireRow(row, context)
      await using man = row.backend.createSockMan({}, { drive: row.drive })
      const fd = openSync('/dev/null', 'r')
      const adopt = () => man.adopt({ release: () => fd })
      expect(adopt).toThrow(expect.objectContaining({ name: 'SockError', code: 'ENOTSOCK' }))
      expect(() => readlinkSync(`/proc/self/fd/${fd}`)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    })
  })
}
