import { setTimeout } from 'node:timers/promises'
import {
  type ConnectionId,
  type ConnectionOptions,
  SockAddr,
  type SockMan,
  type SockManOptions,
} from '@sockman/core'
import { BenchError } from '../errors'
import { loadBackend } from '../rows/backends'
import type { SockManRow } from '../rows/row'
import { ownUsage, type Usage } from '../server/companion'
import { RatePeer, type Traffic } from './peer-process'

/** Seconds before each measurement: the buckets, full at first, and the kernel's buffers settle. */
const WARM_UP = 0.5

/** ms that the row may take to accept what the kernel has connected. */
const ACCEPT_TIMEOUT = 5000

/** Sent again whenever the kernel has all of it: the queue is hardly ever empty. */
const CHUNK = Buffer.alloc(1024 * 1024)

/** What runs while it is measured. */
export interface Load {
  readonly row: SockManRow
  readonly connections: number
  /** What the other side does; this one sends where that drains. */
  readonly traffic: Traffic
  /** Limits of the SockMan, and of each connection. */
  readonly man: SockManOptions
  readonly each: ConnectionOptions
}

/** What the SockMan's own stats, and the CPUs, say of the measured time. */
export interface Measurement {
  readonly seconds: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly wakeups: number
  readonly syscalls: number
  readonly events: number
  /** CPU seconds: of this process, all threads, and of the other side's. */
  readonly cpu: Usage
  readonly peerCpu: Usage
}

/**
 * Runs a load, the SockMan in this process and the other side in one of its own, and measures it for so many seconds.
 *
 * @throws BenchError; SockError of the SockMan; the abort's reason
 */
export async function measure(load: Load, seconds: number, abort: AbortSignal): Promise<Measurement> {
  abort.throwIfAborted()
  const backend = await loadBackend(load.row.backend)
  await using man = backend.createSockMan({}, { ...load.row.options, ...load.man })
  await using peer = new RatePeer()
  await open(man, peer, load, abort)
  await sleep(WARM_UP, abort)
  const peerBefore = await peer.usage()
  const before = read(man)
  await sleep(seconds, abort)
  const after = read(man)
  const peerAfter = await peer.usage()
  if (after.connections < load.connections) {
    const lost = load.connections - after.connections
    throw new BenchError(`${load.row.text}: ${lost} of ${load.connections} connections broke`)
  }
  return {
    seconds: after.seconds - before.seconds,
    bytesReceived: after.bytesReceived - before.bytesReceived,
    bytesSent: after.bytesSent - before.bytesSent,
    wakeups: after.wakeups - before.wakeups,
    syscalls: after.syscalls - before.syscalls,
    events: after.events - before.events,
    cpu: between(before.cpu, after.cpu),
    peerCpu: between(peerBefore, peerAfter),
  }
}

/** Resolves when all connections are accepted, and bytes flow. */
async function open(
  man: SockMan,
  peer: RatePeer,
  { row, connections, traffic, each }: Load,
  abort: AbortSignal,
): Promise<void> {
  const send = (id: ConnectionId, data: Uint8Array) => void man.send(id, data, { borrow: true, notify: true })
  const { address } = man.listen(SockAddr.parse('127.0.0.1:0'), {
    ...each,
    backlog: 65_535,
    events: {
      onAccepted(id) {
        if (traffic === 'drain') send(id, CHUNK)
        if (traffic === 'silence') man.send(id, CHUNK.subarray(0, 1))
      },
      onData() {},
      onSent: (id) => send(id, CHUNK),
    },
  })
  await peer.connect(address, connections, traffic)
  const deadline = performance.now() + ACCEPT_TIMEOUT
  while (man.stats().connections < connections) {
    if (performance.now() > deadline) {
      const { connections: there } = man.stats()
      throw new BenchError(`${row.text}: only ${there} of ${connections} connections are accepted`)
    }
    await sleep(0.01, abort)
  }
}

function read(man: SockMan) {
  return { ...man.stats(), cpu: ownUsage(), seconds: performance.now() / 1000 }
}

function between(before: Usage, after: Usage): Usage {
  return {
    user: after.user - before.user,
    system: after.system - before.system,
    waited: Math.max(0, after.waited - before.waited), // a thread that has ended takes its own with it
  }
}

async function sleep(seconds: number, abort: AbortSignal): Promise<void> {
  // The abort's own reason instead of an AbortError.
  await setTimeout(seconds * 1000, undefined, { signal: abort }).catch(() => abort.throwIfAborted())
}
