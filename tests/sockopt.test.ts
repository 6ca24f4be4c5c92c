import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ended } from './child'
import { requireRow, rows } from './rows'

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
const EPERM = 1
const SETSOCKOPT = { x64: 54, arm64: 208 }[process.arch as string]

for (const row of rows) {
  test(`C6 where no socket option can be set, ${row.name} warns and works`, async (context) => {
    requireRow(row, context)
    if (SETSOCKOPT === undefined) context.skip(`the number of setsockopt(2) on ${process.arch} is not known`)
    const filter = [fixture('seccomp.py'), `${EPERM}`, `${SETSOCKOPT}`, process.execPath]
    const args = [...filter, fixture('sockopt.mjs'), row.backend.name, row.drive]
    const { code, signal, stdout, stderr } = await ended(spawn('python3', args, { timeout: 60_000 }))
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
    const { arrived, port, warnings } = JSON.parse(stdout)
    expect(arrived).toBe('works')
    for (const option of ['SO_REUSEADDR', 'TCP_NODELAY']) {
      const message = expect.stringContaining(option)
      expect(warnings).toContainEqual({
        backend: row.backend.name,
        code: 'SOCKOPT',
        message,
        errno: 'EPERM',
        port: expect.toBeOneOf([port, 0]),
      })
    }
  })
}
