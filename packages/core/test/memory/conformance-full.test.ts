import { describe, test } from 'vitest'
import { conformance } from '../../src/conformance'
import { MemoryPeers, memoryHost } from './peers'

// One seed at full size: what many bytes show, many seeds do too.
const host = memoryHost(1)
describe.runIf(process.env['SOCKMAN_SUITE'] === 'full')('full size', () =>
  conformance(host, { describe, test, network: () => new MemoryPeers(host), full: true }),
)
