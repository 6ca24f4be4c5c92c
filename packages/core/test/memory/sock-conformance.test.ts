import { describe, test } from 'vitest'
import { sockConformance } from '../../src/conformance'
import { type ClockMode, createMemoryNetwork } from '../../src/memory'
import type { Host } from '../../src/memory/host'

const on = (seed: number, clock: ClockMode) => {
  const { socks, kernel } = createMemoryNetwork({ seed, clock }).host() as Host
  const isOpen = (fd: number): boolean => kernel.socket(fd) !== undefined
  // Without `create`: the cases for it are about the kernel's own sockets; `sock.test.ts` has those of this network.
  const kind = { pair: () => socks.pair(), fromFd: (fd: number) => socks.fromFd(fd), isOpen }
  describe(`${clock} clock, seed ${seed}`, () => sockConformance(kind, { describe, test }))
}

for (const seed of [1, 2, 3, 4, 5]) on(seed, 'auto')
on(6, 'real')
