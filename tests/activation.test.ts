import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { activatedSockets } from '../packages/sockman/dist/index.js'
import { ended } from './child'
import { requireRow, rows } from './rows'

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

for (const row of rows) {
  test(`the sockets of socket activation are adopted, once, by ${row.name}`, async (context) => {
    requireRow(row, context)
    const args = [fixture('activation.py'), 'http:local:', process.execPath, fixture('activation.mjs')]
    const { stdout, stderr } = await ended(
      spawn('python3', [...args, row.backend.name, row.drive], { timeout: 30_000 }),
    )
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      names: ['http', 'local', 'unknown'],
      answers: ['http', 'local', 'unknown'],
      again: ['EBADF', 'EBADF', 'EBADF'],
      left: [],
      next: [],
    })
  })
}

test('none without the variables, or with those of another process; what is no number is said', () => {
  const LISTEN_PID = `${process.pid}`
  expect(activatedSockets({})).toEqual([])
  expect(activatedSockets({ LISTEN_PID })).toEqual([])
  expect(activatedSockets({ LISTEN_FDS: '1' })).toEqual([])
  const others = { LISTEN_PID: '1', LISTEN_FDS: '1' }
  expect(activatedSockets(others)).toEqual([])
  expect(others.LISTEN_FDS).toBe('1')
  expect(activatedSockets({ LISTEN_PID, LISTEN_FDS: '0' })).toEqual([])
  expect(() => activatedSockets({ LISTEN_PID, LISTEN_FDS: 'two' })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message: expect.stringContaining('"two"') }),
  )
})
