import { describe, expect, test } from 'vitest'
import { run } from './child'
import { requireRow, rows } from './rows'

describe('RLIMIT_NOFILE lowered below what is open: everything goes on, without a spin (N66)', () => {
  for (const row of rows) {
    // Each measures its own process.
    test.concurrent(row.name, async (context) => {
      requireRow(row, context)
      const { stdout, stderr } = await run('nofile.mjs', [row.backend.name, row.drive], 30_000)
      expect(stderr).toBe('')
      const { received, cpu } = JSON.parse(stdout)
      expect(received).toBe(300)
      expect(cpu).toBeLessThan(150)
    })
  }
})
