import { describe, test } from 'vitest'
import { conformance } from '../../src/conformance'
import { createMemoryNetwork } from '../../src/memory'
import type { Host } from '../../src/memory/host'
import { MemoryPeers } from './peers'

const { SOCKMAN_SEED, SOCKMAN_SUITE } = process.env
const count = SOCKMAN_SUITE === 'full' ? 100 : 5
const seeds = SOCKMAN_SEED ? [Number(SOCKMAN_SEED)] : Array.from({ length: count }, (_, n) => n + 1)

// A failing seed is in the title, and replays with SOCKMAN_SEED=….
for (const seed of seeds) {
  const host = createMemoryNetwork({ seed, clock: 'auto' }).host() as Host
  const network = (): MemoryPeers => new MemoryPeers(host)
  // Quick sizes for all of them, and the full ones once: what many bytes show, many seeds do too.
  const sizes = SOCKMAN_SUITE === 'full' && seed === 1 ? [false, true] : [false]
  for (const full of sizes) {
    const name = `SOCKMAN_SEED=${seed}${full ? ', full size' : ''}`
    describe(name, () => conformance(host, { describe, test, network, full }))
  }
}
