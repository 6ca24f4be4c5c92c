import { describe, expect, test } from 'vitest'
import { run } from './child'
import { requireRow, rows } from './rows'

describe('timers and clocks of a test framework stand still: delivery, deadlines, waits and stop() go on (N38)', () => {
  for (const row of rows) {
    test(row.name, async (context) => {
      requireRow(row, context)
      const { stdout, stderr, signal } = await run('fake-timers.mjs', [row.backend.name, row.drive], 30_000)
      expect({ stderr, signal }).toEqual({ stderr: '', signal: null })
      expect(JSON.parse(stdout)).toEqual({ received: 4000, unsent: true, failed: 'ETIMEDOUT', waited: 0 })
    })
  }
})
