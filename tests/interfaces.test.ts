import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ended } from './child'
import { requireRow, rows } from './rows'

const fixture = fileURLToPath(new URL('fixtures/interfaces.mjs', import.meta.url))
const namespaces = spawnSync('unshare', ['--user', '--map-root-user', '--net', 'ip', 'link']).status === 0

/** Almost any name is allowed, and whoever may make an interface chooses it (netdevice(7)). */
const names = { 'vpn+1': 'vpn+1', 'a]b': undefined, é1: undefined }

for (const row of rows) {
  describe(`C17 ${row.name}: a peer on an interface with an odd name`, () => {
    for (const [device, zone] of Object.entries(names)) {
      // Each has a network of its own.
      test.concurrent(device, async (context) => {
        requireRow(row, context)
        if (!namespaces) context.skip('no network namespaces here (unshare and ip)')
        const { backend, drive } = row
        const command = [
          '--user',
          '--map-root-user',
          '--net',
          process.execPath,
          fixture,
          backend.name,
          drive,
          device,
        ]
        const { stdout, stderr } = await ended(spawn('unshare', command, { timeout: 30_000 }))
        expect(stderr).toBe('')
        const { host, zone: told, index } = JSON.parse(stdout)
        // A name that an address cannot be written with is told as the interface's number.
        expect({ host, told }).toEqual({ host: 'fe80::5', told: zone ?? index })
      })
    }
  })
}
