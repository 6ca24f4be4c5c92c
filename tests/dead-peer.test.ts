import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ended } from './child'
import { requireRow, rows } from './rows'

const fixture = fileURLToPath(new URL('fixtures/dead-peer.mjs', import.meta.url))
const namespaces = spawnSync('unshare', ['--user', '--map-root-user', '--net', 'ip', 'link']).status === 0

// A second of idleness and two probes, or a second without an acknowledgement: long before the kernel would say so.
for (const row of rows) {
  test.concurrent(`${row.name}: a peer that is gone without a word is ETIMEDOUT by keep-alive or user timeout`, async (context) => {
    requireRow(row, context)
    if (!namespaces) context.skip('no network namespaces here (unshare and ip)')
    const { backend, drive } = row
    const command = ['--user', '--map-root-user', '--net', process.execPath, fixture, backend.name, drive]
    const { stdout, stderr } = await ended(spawn('unshare', command, { timeout: 60_000 }))
    expect(stderr).toBe('')
    const ends: Record<string, [code: string, ms: number]> = JSON.parse(stdout)
    const expected = ['keep-alive', 'keep-alive of a listener', 'user timeout']
    expect(Object.keys(ends).sort()).toEqual(expected)
    for (const kind of expected) {
      const [code, ms] = ends[kind]!
      expect(code, kind).toBe('ETIMEDOUT')
      expect(ms, kind).toBeGreaterThan(900)
    }
  })
}
