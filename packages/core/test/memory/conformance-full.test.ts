import { describe, test } from 'vitest'
import { conformance } from '../../src/conformance'
import { MemoryPeers, memoryHost } from './peers'

const full = process.env['SOCKMAN_SUITE'] === 'full'

// One seed at full size: what many bytes show, many seeds do too.
if (full) {
  const host = memoryHost(1)
  describe('full size', () =>
    conformance(host, { describe, test, network: () => new MemoryPeers(host), full }))
} else {
  test('full size', ({ skip }) => skip('SOCKMAN_SUITE=full is not set'))
}
