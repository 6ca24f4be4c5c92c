import type { SockManOptions } from '../../packages/core/src'
import { Random } from '../../packages/core/src/memory/random'
import { CALLERS, Caller } from './caller'
import type { Connection } from './connection'
import type { Ground } from './ground'
import { droppedSegments, kernelSocket, openDescriptors } from './kernel'
import type { PeerReport, Peers } from './peers'
import { compare } from './verdict'

/** ms that all connections together have to end in, once both sides want it. */
const PATIENCE = 20_000
/** ms that nothing may happen in afterwards, and how many looks are taken: the quietest counts. */
const QUIET = 300
const LOOKS = 3

export interface RoundReport {
  readonly seed: number
  readonly faults: readonly string[]
  readonly counts: ReadonlyMap<string, number>
  /** Connections whose end the kernel lost, each with what it says: `deaf` explains them. */
  readonly lost: readonly string[]
  /** Alike in two rounds with the same events in the same order. */
  readonly trace: number
}

/**
 * One SockMan from its creation to its end: `ms` of random calls against hostile peers, then either `stop()` in the
 * middle of it or an end of every connection; then a look at what is left.
 */
export async function playRound(ground: Ground, seed: number, ms: number): Promise<RoundReport> {
  const random = new Random(seed)
  const descriptors = ground.real ? openDescriptors() : []
  const peers = ground.peers(random, 0)
  const addresses = await peers.open()
  let keys = CALLERS
  const caller = new Caller(
    {
      create: (events, options) => ground.createSockMan(events, options),
      random,
      sleep: (ms) => ground.sleep(ms),
      peers: addresses,
      key: () => keys++,
      address: () => ground.address(random),
      listening: (addresses) => peers.visit(addresses),
    },
    drawOptions(random),
  )
  caller.listeners.add(caller.man.listen(ground.address(random)))
  caller.listenersChanged()
  const lost: string[] = []

  const [freezes, kills, stops] = [random.next() < 0.3, random.next() < 0.1, random.next() < 0.25]
  const playing = caller.play(ground.sleep(ms))
  if (freezes && peers.freeze) void ground.sleep(ms / 3).then(() => peers.freeze!(random.below(300)))
  if (kills && peers.kill) void ground.sleep((ms * 2) / 3).then(() => peers.kill!())
  await playing

  if (stops) {
    caller.count('stop in the middle')
    await bounded(ground, caller, 'stop() has not resolved', caller.stop())
  } else {
    caller.drain()
  }
  const reports = peers.finish().catch((): PeerReport[] => [])
  if (!stops) {
    await Promise.race([caller.ended(), ground.sleep(PATIENCE)])
    if (caller.live.size > 0) judge(ground, caller, lost)
    // The peers of those that are deaf are long gone.
    for (const { id } of [...caller.live.values()]) caller.man.close(id)
    await bounded(ground, caller, 'a close has no onClosed', caller.ended())
    await checkRest(ground, caller)
    await bounded(ground, caller, 'stop() has not resolved', caller.stop())
  }
  const met = await bounded(ground, caller, 'the peers have not ended', reports)
  if (met) compare(caller, met)
  await closed(peers)
  for (const violation of caller.violations) caller.fault(`grammar: ${violation}`)
  if (ground.real) {
    const left = openDescriptors().filter((each) => !descriptors.includes(each))
    if (left.length > 0) caller.fault(`descriptors left open: ${left.join(', ')}`)
  }
  return { seed, faults: caller.faults, counts: caller.counts, lost, trace: caller.trace }
}

function drawOptions(random: Random): SockManOptions {
  const one = <T>(...values: T[]): T => values[random.below(values.length)]!
  const options = {
    batchLimit: one(undefined, 4, 64),
    receiveWindow: one(undefined, 65_536),
    receiveBlock: one(undefined, 4096),
    receivePool: one(undefined, 1 << 20),
    sendHighWater: one(undefined, 1, 100_000),
    sendQueueMax: one(undefined, 1 << 20),
    copyThreshold: one(undefined, 100),
    poison: one(undefined, true),
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

async function bounded<T>(
  ground: Ground,
  caller: Caller,
  what: string,
  promise: Promise<T>,
): Promise<T | undefined> {
  const late = ground.sleep(PATIENCE).then(() => {
    throw new Error(`${what} after ${PATIENCE} ms`)
  })
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    caller.fault((error as Error).message)
    return undefined
  }
}

/**
 * Whose doing is it that a connection has not ended? A socket that the kernel takes for established, with nothing to
 * read, and whose other end no longer exists, has never been told: a reset that lies beyond the receive window is
 * dropped without an answer (RFC 9293, 3.10.7.4). Everything else is the engine's.
 */
function judge(ground: Ground, caller: Caller, lost: string[]): void {
  for (const connection of caller.live.values()) {
    const [mine, theirs] = ground.real ? both(connection) : []
    const text = `id ${connection.id}, ${connection.state}, ${connection.me} of ${connection.them}, has not ended: ${JSON.stringify({ mine, theirs, paused: connection.paused, shut: connection.shut, received: connection.reader.received, from: connection.reader.key, sent: connection.writer.taken })}`
    if (mine?.state === 'ESTABLISHED' && mine.receiveQueue === 0 && theirs === undefined) lost.push(text)
    else caller.fault(text)
  }
  if (lost.length > 0) lost.push(JSON.stringify(droppedSegments()))
}

function both({ me, them }: Connection): (ReturnType<typeof kernelSocket> | undefined)[] {
  return [kernelSocket(me, them), kernelSocket(them, me)]
}

/** What a SockMan without connections says and does. */
async function checkRest(ground: Ground, caller: Caller): Promise<void> {
  const { connections, queuedBytes, heldBytes, listeners } = caller.man.stats()
  if (connections + queuedBytes + heldBytes + listeners !== 0)
    caller.fault(
      `at rest ${connections} connections, ${listeners} listeners, ${queuedBytes} bytes queued, ${heldBytes} held`,
    )
  if (!ground.real) return
  const looks: string[] = []
  while (looks.length < LOOKS) {
    const { wakeups } = caller.man.stats()
    const cpu = process.cpuUsage()
    await ground.sleep(QUIET)
    const { user, system } = process.cpuUsage(cpu)
    const woken = caller.man.stats().wakeups - wakeups
    if (woken <= 5 && user + system < QUIET * 200) return
    looks.push(`${woken} wake-ups and ${(user + system) / 1000} ms of CPU`)
  }
  caller.fault(`at rest ${looks.join(', ')} in ${QUIET} ms each`)
}

/** Whatever the peers still do ends here. */
async function closed(peers: Peers): Promise<void> {
  await peers.close()
}
