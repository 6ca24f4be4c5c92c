// The hostile peers of one round, in a process of their own: peer-process.js SEED FIRST-KEY, told what to do by IPC.
import { netPeers } from '../../packages/core/src/conformance/net-peers'
import { Random } from '../../packages/core/src/memory/random'
import { HostilePeers } from './hostile-peers'

const [seed, firstKey] = process.argv.slice(2).map(Number)
const peers = new HostilePeers(netPeers(), new Random(seed!), firstKey!)

process.on('message', async ({ call, addresses }: { call: string; addresses?: string[] }) => {
  if (call === 'open') process.send!(await peers.open())
  else if (call === 'visit') peers.visit(addresses!)
  else if (call === 'finish') process.send!(await peers.finish())
})
// The round is over, or its process has ended.
process.on('disconnect', async () => {
  await peers.close()
  process.exit()
})
