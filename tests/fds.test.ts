import { expect, test } from 'vitest'
import { run } from './child'
import { requireRow, rows } from './rows'

for (const row of rows) {
  test(`C9 ${row.name} stopped in the middle of traffic: no descriptor, thread or path is left`, async (context) => {
    requireRow(row, context)
    const { code, signal, stdout, stderr } = await run('fds.mjs', [row.backend.name, row.drive])
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ open: [], threads: 0, files: [] })
  })
}
