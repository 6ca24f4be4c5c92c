import { meet } from '@sockman/example-handshake/meet'
import { describe, expect, test } from 'vitest'
import { requireRow, rows } from './rows'

for (const row of rows) {
  describe(`the handshake example over ${row.name}`, () => {
    test('two nodes meet, and both ends are told of everything', async (context) => {
      requireRow(row, context)
      const lines: string[] = []
      await meet(row.backend, row.backend, '127.0.0.1:0', (line) => lines.push(line), { sockMan: { drive: row.drive } })
      console.log(lines)
    })
  })
}
