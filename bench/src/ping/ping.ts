import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { BenchError } from '../errors'
import { PING_LOAD } from '../paths'
import { PROFILES, type ProfileName } from '../profile'
import { startProgress } from '../report/progress'
import { availableRows } from '../rows/row'
import { spawnHelper } from '../server/helper'
import { EchoServer } from './echo-process'

/** The row beside the engines', in a run that names none. */
export const PING_NET_ROWS = ['net'] as const
export const PING_CONNECTIONS = [1, 64, 400] as const

/** Share of the time a single-threaded load may work before it counts as the bottleneck. */
export const SATURATED = 0.95

/** Seconds before each measurement: connections, caches and the optimizer settle. */
const WARM_UP = 0.3

export interface PingOptions {
  /** Rows by name; undefined: every engine and drive and {@link PING_NET_ROWS}, those that work here. */
  readonly rows: readonly string[] | undefined
  readonly connections: readonly number[]
  readonly profile: ProfileName
  readonly trials: number | undefined
  /** Of one measurement; undefined: the profile's. */
  readonly seconds: number | undefined
}

/** What ping-load measured. Latencies in µs; `cpu` is the load's own, as a share of the time. */
interface Load {
  readonly requests: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  readonly cpu: number
}

export interface PingTrial extends Load {
  /** What really ran. */
  readonly row: string
  readonly round: number
  /** CPU seconds of the server, warm-up and start of the load included. */
  readonly server: { readonly user: number; readonly system: number }
}

/** All trials of one row with one number of connections. */
export interface PingPoint {
  /** The row as it was named. */
  readonly named: string
  readonly connections: number
  readonly trials: PingTrial[]
}

export interface PingResult {
  readonly options: PingOptions & { readonly trials: number; readonly seconds: number }
  readonly points: readonly PingPoint[]
}

/**
 * Requests and responses of 32 bytes in a closed loop. The row is the server, in a process of its own per
 * trial; the load comes from a native process. Rows take turns as in `runIbd`.
 *
 * @param abort ends server and load; its reason is thrown then
 * @throws UsageError, BenchError
 */
export async function runPing(options: PingOptions, abort: AbortSignal): Promise<PingResult> {
  const rows = await availableRows(options.rows, PING_NET_ROWS, (line) => console.error(line))
  for (const row of rows) {
    if (row.kind !== 'net' || (!row.raw && row.onread === undefined)) continue
    throw new BenchError(`${row.text} is not available in ping: a net.Server takes no such setting; use net`)
  }
  const { trials: defaultTrials, pingSeconds } = PROFILES[options.profile]
  const { trials = defaultTrials, seconds = pingSeconds } = options
  const points: PingPoint[] = []
  using progress = startProgress(trials * rows.length * options.connections.length)
  for (const connections of options.connections) {
    const own = rows.map(({ text: named }): PingPoint => ({ named, connections, trials: [] }))
    points.push(...own)
    for (let round = 0; round < trials; round++) {
      for (let turn = 0; turn < own.length; turn++) {
        const point = own[(round + turn) % own.length]!
        progress.step(`${point.named}, ${connections} connections, trial ${round + 1} of ${trials}`)
        point.trials.push({ ...(await runOne(point.named, connections, seconds, abort)), round })
      }
    }
  }
  return { options: { ...options, trials, seconds }, points }
}

async function runOne(
  row: string,
  connections: number,
  seconds: number,
  abort: AbortSignal,
): Promise<Omit<PingTrial, 'round'>> {
  abort.throwIfAborted()
  await using server = await EchoServer.start(row)
  const before = await server.usage()
  const load = await runLoad(server, connections, seconds, abort)
  const after = await server.usage()
  return {
    ...load,
    row: server.row,
    server: { user: after.user - before.user, system: after.system - before.system },
  }
}

async function runLoad(
  { address, row }: EchoServer,
  connections: number,
  seconds: number,
  abort: AbortSignal,
): Promise<Load> {
  const args = [address.host, address.port, connections, seconds, WARM_UP].map(String)
  const helper = spawnHelper(PING_LOAD, args, ['ignore', 'pipe', 'pipe'])
  const kill = () => helper.process.kill('SIGKILL')
  abort.addEventListener('abort', kill)
  const [output, complaint, end] = await Promise.all([
    text(helper.process.stdout as Readable),
    text(helper.process.stderr as Readable),
    helper.ended,
  ])
  abort.removeEventListener('abort', kill)
  abort.throwIfAborted()
  if (end !== 'exit code 0')
    throw new BenchError(`${row} with ${connections} connections: ${complaint.trim() || end}`)
  return JSON.parse(output) as Load
}
