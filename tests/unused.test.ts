import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ended } from './child'
import { requireRow, rows } from './rows'

const fixture = fileURLToPath(new URL('fixtures/unused.mjs', import.meta.url))

for (const row of rows) {
  test(`${row.name}: SockMans that were never used are collected, with their descriptors`, async (context) => {
    requireRow(row, context)
    const command = ['--expose-gc', fixture, row.backend.name, row.drive]
    const { stdout, stderr } = await ended(spawn(process.execPath, command, { timeout: 30_000 }))
    expect(stderr).toBe('')
    const { had, ...end } = JSON.parse(stdout)
    expect(had).toBeGreaterThanOrEqual(row.name === 'libuv:inline' ? 0 : 20)
    expect(end).toEqual({ left: 0, works: true })
  })
}
