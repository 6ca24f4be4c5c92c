import { describe, test } from 'vitest'
import type * as suite from '../../src/conformance'
import type { Runner } from '../../src/conformance'
import { MemoryPeers, memoryHost } from './peers'

// Built, for the processes are plain Node.
const built = new URL('../../dist/conformance/index.js', import.meta.url).href
const { conformance }: typeof suite = await import(built)

const host = memoryHost()
const network = (): MemoryPeers => new MemoryPeers(host)
const module = new URL('./backend.mjs', import.meta.url).href

/** conformance.test.ts has the titles of the cases that need no process. */
const elsewhere = new Set<string>()
const note = Object.assign((title: string) => void elsewhere.add(title), { skip() {} })
const rest: Runner['test'] = Object.assign(
  (title: string, body: () => Promise<void>, timeout: number) => {
    if (!elsewhere.has(title)) test(title, body, timeout)
  },
  { skip() {} },
)
conformance(host, { describe: (_, body) => body(), test: note, network })
conformance(host, { describe, test: rest, network, specifier: { module } })
