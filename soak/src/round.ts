import type { SockManOptions } from '../../packages/core/src'
import { within } from '../../packages/core/src/conformance/limit'
import { openDescriptors } from '../../packages/core/src/conformance/trial'
import { Random } from '../../packages/core/src/memory/random'
import { Caller } from './caller'
import type { Connection } from './connection'
import type { Ground } from './ground'
import { droppedSegments, kernelSocket } from './kernel'
import type { PeerReport } from './peers'
import { CALLERS } from './tag'
import { compare } from './verdict'

/** ms that all connections together have to end in, once both sides want it. */
const PATIENCE = 20_000
/** ms that nothing may happen in afterwards, and how many looks are taken: the quietest counts. */
const QUIET = 300
const LOOKS = 3
/** ms that the peers stand still at most. */
const MOST_FROZEN = 300

export interface RoundReport {
  readonly seed: number
  readonly faults: readonly string[]
  readonly counts: ReadonlyMap<string, number>
  /** Alike in two rounds with the same events in the same order. */
  readonly trace: number
}

/**
 * One SockMan from its creation to its end: `ms` of random calls against hostile peers, then either `stop()` in the
 * middle of it or an end of every connection; then a look at what is left.
 */
export async function playRound(ground: Ground, seed: number, ms: number): Promise<RoundReport> {
  const random = new Random(seed)
  const descriptors = ground.real ? openDescriptors() : new Set()
  const peers = ground.peers(random)
  const addresses = await peers.open()
  let keys = CALLERS + ground.firstKey
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

  const [freezes, kills, stops] = [random.next() < 0.3, random.next() < 0.1, random.next() < 0.25]
  const playing = caller.play(ground.sleep(ms))
  if (freezes && peers.freeze) void ground.sleep(ms / 3).then(() => peers.freeze!(random.below(MOST_FROZEN)))
  if (kills && peers.kill) void ground.sleep((ms * 2) / 3).then(() => peers.kill!())
  await playing

  if (stops) {
    caller.count('stop in the middle')
    const flush = random.next() < 0.5
    await bounded(
      ground,
      caller,
      'stop() has not resolved',
      caller.stop({ flush, timeout: random.scaled(1, 1000) }),
    )
  } else {
    caller.drain()
  }
  const reports = peers.finish().catch((error: Error): PeerReport[] => {
    // Those that were killed have nothing to say.
    if (!kills) caller.fault(error.message)
    return []
  })
  if (!stops) {
    // What has not ended then is reported, each connection by itself.
    await patient(ground, 'connections have not ended', caller.ended()).catch(() => {})
    if (caller.live.size > 0) reportLive(ground, caller)
    for (const { id } of [...caller.live.values()]) caller.man.close(id)
    await bounded(ground, caller, 'a close has no onClosed', caller.ended())
    await checkRest(ground, caller)
    await bounded(ground, caller, 'stop() has not resolved', caller.stop())
  }
  const met = await bounded(ground, caller, 'the peers have not ended', reports)
  if (met) compare(caller, met)
  await peers.close()
  for (const violation of caller.violations) caller.fault(`grammar: ${violation}`)
  if (ground.real) {
    const left = [...openDescriptors()].filter((each) => !descriptors.has(each))
    if (left.length > 0) caller.fault(`descriptors left open: ${left.join(', ')}`)
  }
  return { seed, faults: caller.faults, counts: caller.counts, trace: caller.trace }
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
    maxConnections: one(undefined, undefined, 20),
    receiveRateTotal: one(undefined, undefined, undefined, 50_000_000),
    sendRateTotal: one(undefined, undefined, undefined, 50_000_000),
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

async function bounded<T>(
  ground: Ground,
  caller: Caller,
  what: string,
  promise: Promise<T>,
): Promise<T | undefined> {
  try {
    return await patient(ground, what, promise)
  } catch (error) {
    caller.fault((error as Error).message)
    return undefined
  }
}

/** The promise's value, or an error when it takes long. On a real clock the time that a busy machine takes does not count. */
function patient<T>(ground: Ground, what: string, promise: Promise<T>): Promise<T> {
  if (ground.real) return within(PATIENCE, what, promise)
  const late = ground.sleep(PATIENCE).then(() => {
    throw new Error(`${what} after ${PATIENCE} ms`)
  })
  return Promise.race([promise, late])
}

/** A fault for each connection that has not ended, with what the kernel says of both its sockets. */
function reportLive(ground: Ground, caller: Caller): void {
  for (const connection of caller.live.values()) {
    const { state, me, them, paused, shut, reader, writer } = connection
    const [mine, theirs] = ground.real ? both(connection) : []
    const known = {
      mine,
      theirs,
      paused,
      shut,
      received: reader.received,
      from: reader.key,
      sent: writer.taken,
    }
    caller.fault(`${connection}, ${state}, ${me} of ${them}, has not ended: ${JSON.stringify(known)}`)
  }
  if (ground.real)
    caller.fault(`the kernel has dropped since it booted: ${JSON.stringify(droppedSegments())}`)
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
