import { describe, test } from 'vitest'
import { conformance } from '../../src/conformance'
import { MemoryPeers, memoryHost } from './peers'

const { SOCKMAN_SEED, SOCKMAN_SUITE } = process.env
const count = SOCKMAN_SUITE === 'full' ? 100 : 5
const seeds = SOCKMAN_SEED ? [Number(SOCKMAN_SEED)] : Array.from({ length: count }, (_, n) => n + 1)

// A failing seed is in the title, and replays with SOCKMAN_SEED=….
for (const seed of seeds) {
  const host = memoryHost(seed)
  describe(`SOCKMAN_SEED=${seed}`, () =>
    conformance(host, { describe, test, network: () => new MemoryPeers(host), full: false }))
}
