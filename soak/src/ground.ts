import { loadBackend } from '../../bench/src/rows/backends'
import {
  parseRow,
  rowOptions,
  type SockMan,
  type SockManEvents,
  type SockManOptions,
} from '../../packages/core/src'
import type { Backend } from '../../packages/core/src/backend'
import { netPeers } from '../../packages/core/src/conformance/net-peers'
import type { PeerFamily, PeerNetwork } from '../../packages/core/src/conformance/peers'
import type { Random } from '../../packages/core/src/memory/random'
import { MemoryPeers, memoryHost } from '../../packages/core/test/memory/peers'
import { HostilePeers } from './hostile-peers'
import { PeerHost } from './peer-host'
import type { Peers } from './peers'
import { CALLERS, PROCESS_KEYS } from './tag'

/** Where a round takes place: an engine, its network, and where its peers live. */
export interface Ground {
  /** What runs, as its SockMan says. */
  readonly row: string
  /** Whether there is a kernel under the engine: descriptors, sockets, a clock that moves by itself. */
  readonly real: boolean
  createSockMan(events: SockManEvents, options: SockManOptions): SockMan
  sleep(ms: number): Promise<void>
  /** A free address of a family that there is. */
  address(random: Random): string
  /**
   * Of the streams of the peers, and from `CALLERS` on of the caller's. Rows run side by side have keys of their own: the
   * port of a peer that was killed may be the next listener's of another process, and its streams would come there.
   */
  readonly firstKey: number
  peers(random: Random): Peers
  /** Nothing of it is left, such as folders of Unix sockets. */
  close(): Promise<void>
}

/**
 * The ground of a row: real sockets and peers in another process, or, for `memory`, a network made of the seed.
 *
 * @throws SockError for a row that cannot be read; Error, saying why, for an engine that is not available
 */
export async function openGround(text: string, seed: number): Promise<Ground> {
  const row = parseRow(text)
  const options = rowOptions(row)
  if (row.name === 'memory') return memoryGround(seed, options)
  const backend = (await loadBackend(row.name)) as unknown as Backend // of the built core, whose brands are its own
  const probe = backend.probe()
  if (!probe.available) throw new Error(`${text}: ${probe.message} ${probe.remedy}`)
  const network = netPeers()
  const families = network.families
  const firstKey = (process.pid % (CALLERS / PROCESS_KEYS)) * PROCESS_KEYS
  return {
    ...shared(backend, options, network, families, text),
    real: true,
    firstKey,
    peers: (random) => new PeerHost(random.below(2 ** 31), firstKey),
  }
}

function memoryGround(seed: number, options: SockManOptions): Ground {
  const host = memoryHost(seed)
  const network = new MemoryPeers(host)
  return {
    ...shared(host, options, network, network.families, 'memory'),
    real: false,
    firstKey: 0,
    peers: (random) => new HostilePeers(network, random, 0),
  }
}

function shared(
  backend: Backend,
  settings: SockManOptions,
  network: PeerNetwork,
  families: readonly PeerFamily[],
  row: string,
): Omit<Ground, 'real' | 'firstKey' | 'peers'> {
  return {
    row,
    createSockMan: (events, options) => backend.createSockMan(events, { ...options, ...settings }),
    sleep: (ms) => network.sleep(ms),
    address: (random) => network.address(families[random.below(families.length)]),
    close: () => network.close(),
  }
}
