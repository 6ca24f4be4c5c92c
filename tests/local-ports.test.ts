import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ended } from './child'
import { requireRow, rows } from './rows'

const fixture = fileURLToPath(new URL('fixtures/local-ports.mjs', import.meta.url))
const namespaces = spawnSync('unshare', ['--user', '--map-root-user', '--net', 'ip', 'link']).status === 0

describe('C33 a local address', () => {
  for (const row of rows) {
    test(`${row.name}: a port serves as many connections as there are destinations`, async (context) => {
      requireRow(row, context)
      if (!namespaces) context.skip('no network namespaces here (unshare and ip)')
      const command = ['--user', '--map-root-user', '--net', process.execPath, fixture]
      const { stdout, stderr } = await ended(
        spawn('unshare', [...command, row.backend.name, row.drive], { timeout: 30_000 }),
      )
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual({
        fixed: ['connected', 'connected'],
        fixedAgain: 'connect EADDRNOTAVAIL',
        fixed6: 'connected',
        // Two ports, chosen by the kernel, to each of two destinations.
        chosen: ['connected', 'connected', 'connected', 'connected'],
        chosenFifth: 'connect EADDRNOTAVAIL',
      })
    })
  }
})
