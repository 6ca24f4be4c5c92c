import type { ConnectionOptions, SockManOptions } from '@sockman/core'
import { BenchError } from '../errors'
import { startProgress } from '../report/progress'
import { availableRows, type BenchRow, type SockManRow } from '../rows/row'
import type { Usage } from '../server/companion'
import { type Measurement, measure } from './measurement'

/** What a run takes that says nothing else; the rate as it is written. */
export const RATE = { connections: [1, 100], rate: '10M', seconds: 10 } as const

/** Connections of the measurement in which nobody moves a byte. */
const IDLE_CONNECTIONS = 100

const DIRECTIONS = ['receive', 'send'] as const
const LIMITS = ['per connection', 'in all'] as const

export type Direction = (typeof DIRECTIONS)[number]
export type Limit = (typeof LIMITS)[number]

export interface RateOptions {
  /** Rows by name; undefined: every engine and drive, those that work here. */
  readonly rows: readonly string[] | undefined
  readonly connections: readonly number[]
  /** Bytes per second, of each connection or of all together. */
  readonly rate: number
  /** Of one measurement. */
  readonly seconds: number
}

/** Figures of a measurement, ready to read. */
export interface Cost extends Measurement {
  /** The row as it was named. */
  readonly row: string
  readonly connections: number
  /** Shares of a core: this process, and the other side's. */
  readonly cpuShare: number
  readonly peerCpuShare: number
  /** The same of the time for which they waited for a CPU: on a busy machine a rate is lost there. */
  readonly waitedShare: number
  readonly peerWaitedShare: number
  readonly wakeupsPerSecond: number
}

/** One direction of one row under one limit. */
export interface RatePoint extends Cost {
  readonly direction: Direction
  readonly limit: Limit
  /** Bytes per second over all connections: what is allowed, and what moved. */
  readonly asked: number
  readonly bytesPerSecond: number
  /** The latter over the former. */
  readonly ratio: number
}

export interface RateResult {
  readonly options: RateOptions
  readonly points: readonly RatePoint[]
  /** With all limits set and no byte moved; one per row. */
  readonly idle: readonly Cost[]
}

/**
 * Whether limits of rate hold: the row in this process, its limits in one direction, against a process of node:net that
 * sends, or reads, all it can. Then the same with all limits and no traffic.
 *
 * @param abort ends all of it; its reason is thrown then
 * @throws UsageError, BenchError
 */
export async function runRate(options: RateOptions, abort: AbortSignal): Promise<RateResult> {
  const rows = (await availableRows(options.rows, [], (line) => console.error(line))).map(limitable)
  const points: RatePoint[] = []
  const idle: Cost[] = []
  using progress = startProgress(
    rows.length * (DIRECTIONS.length * LIMITS.length * options.connections.length + 1),
  )
  for (const row of rows) {
    for (const direction of DIRECTIONS) {
      for (const limit of LIMITS) {
        for (const connections of options.connections) {
          progress.step(`${row.text}, ${direction}, ${limit}, ${connections} connections`)
          points.push(await runPoint(row, direction, limit, connections, options, abort))
        }
      }
    }
    progress.step(`${row.text}, ${IDLE_CONNECTIONS} silent connections`)
    idle.push(await runIdle(row, options, abort))
  }
  return { options, points, idle }
}

function limitable(row: BenchRow): SockManRow {
  if (row.kind === 'net') throw new BenchError(`${row.text} is not available in rate: it has no limits`)
  for (const set of ['receiveRateTotal', 'sendRateTotal'] as const) {
    if (row.options[set] !== undefined)
      throw new BenchError(`${row.text} is not available in rate: ${set} is what --rate sets`)
  }
  return row
}

async function runPoint(
  row: SockManRow,
  direction: Direction,
  limit: Limit,
  connections: number,
  { rate, seconds }: RateOptions,
  abort: AbortSignal,
): Promise<RatePoint> {
  const each: ConnectionOptions = limit === 'per connection' ? { [`${direction}Rate`]: rate } : {}
  const man: SockManOptions = limit === 'in all' ? { [`${direction}RateTotal`]: rate } : {}
  const traffic = direction === 'receive' ? 'flood' : 'drain'
  const measured = await measure({ row, connections, traffic, man, each }, seconds, abort)
  const bytes = direction === 'receive' ? measured.bytesReceived : measured.bytesSent
  const asked = limit === 'per connection' ? rate * connections : rate
  const bytesPerSecond = bytes / measured.seconds
  const ratio = bytesPerSecond / asked
  return { ...costOf(row, connections, measured), direction, limit, asked, bytesPerSecond, ratio }
}

async function runIdle(row: SockManRow, { rate, seconds }: RateOptions, abort: AbortSignal): Promise<Cost> {
  const man: SockManOptions = { receiveRateTotal: rate, sendRateTotal: rate }
  // Longer than anything is measured.
  const each: ConnectionOptions = { receiveRate: rate, sendRate: rate, idleTimeout: 2 ** 31 - 1 }
  const load = { row, connections: IDLE_CONNECTIONS, traffic: 'silence', man, each } as const
  return costOf(row, IDLE_CONNECTIONS, await measure(load, seconds, abort))
}

function costOf(row: SockManRow, connections: number, measured: Measurement): Cost {
  const { seconds, wakeups, cpu, peerCpu } = measured
  const share = ({ user, system }: Usage) => (user + system) / seconds
  return {
    row: row.text,
    connections,
    ...measured,
    cpuShare: share(cpu),
    peerCpuShare: share(peerCpu),
    waitedShare: cpu.waited / seconds,
    peerWaitedShare: peerCpu.waited / seconds,
    wakeupsPerSecond: wakeups / seconds,
  }
}
