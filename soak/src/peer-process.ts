// The hostile peers of one round, in a process of their own: peer-process.js SEED FIRST-KEY, told what to do by IPC.
import { netPeers } from '../../packages/core/src/conformance/net-peers'
import { Random } from '../../packages/core/src/memory/random'
import { HostilePeers } from './hostile-peers'

const [seed, firstKey] = process.argv.slice(2).map(Number)
const peers = new HostilePeers(netPeers(), new Random(seed!), firstKey!)

interface Message {
  readonly call: string
  readonly addresses?: string[]
  readonly ms?: number
}

process.on('message', async ({ call, addresses, ms }: Message) => {
  if (call === 'open') process.send!(await peers.open())
  else if (call === 'visit') peers.visit(addresses!)
  // All its sockets stand still, as those of a stopped process do; and it goes on by itself, should its parent end.
  else if (call === 'freeze') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  else if (call === 'finish') process.send!(await peers.finish())
})
async function end(): Promise<void> {
  await peers.close()
  process.exit()
}

// The round is over, or its process has ended, perhaps while this one began.
process.on('disconnect', end)
if (!process.connected) await end()
