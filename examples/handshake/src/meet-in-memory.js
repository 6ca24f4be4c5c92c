import { createMemoryNetwork } from '@sockman/core/memory'
import { meet } from './meet.js'

/**
 * {@link meet} on a memory network whose time moves by itself. Resolves to the network, for its trace.
 *
 * @param {number} seed
 * @param {(line: string) => void} log
 */
export async function meetInMemory(seed, log) {
  const network = createMemoryNetwork({ seed, clock: 'auto' })
  const [server, client] = [network.host(), network.host()]
  await meet(server, client, `${server.addresses[0]}:8333`, log, { clock: network })
  return network
}
