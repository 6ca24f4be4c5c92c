import { describeMachine, machineLine } from '../report/machine'
import { formatTable } from '../report/table'
import type { Cost, RatePoint, RateResult } from './rate'

/** A rate that is off by more than this share is marked. */
const TOLERANCE = 0.05

const isOff = ({ ratio }: RatePoint) => Math.abs(ratio - 1) > TOLERANCE
const percent = (share: number, digits = 0) => `${(share * 100).toFixed(digits)} %`

/** The table and what must be known to read it. */
export function formatRate({ options, points, idle }: RateResult): string {
  const costs = ({ cpuShare, wakeupsPerSecond }: Cost) => [
    percent(cpuShare, cpuShare < 0.01 ? 2 : 1),
    wakeupsPerSecond.toFixed(wakeupsPerSecond < 10 ? 1 : 0),
  ]
  const body = [...new Set(idle.map(({ row }) => row))].flatMap((row) => [
    ...points
      .filter((point) => point.row === row)
      .map((point) => [
        row,
        point.direction,
        point.limit,
        String(point.connections),
        `${point.ratio.toFixed(3)}${isOff(point) ? ' *' : ''}`,
        ...costs(point),
      ]),
    ...idle
      .filter((cost) => cost.row === row)
      .map((cost) => [row, 'idle', 'all of them', String(cost.connections), '–', ...costs(cost)]),
  ])
  const off = points.filter(isOff)
  return [
    formatTable(['row', 'direction', 'limit', 'connections', 'ratio', 'CPU', 'wakeups/s'], body),
    machineLine(describeMachine()),
    `Limits of ${options.rate} bytes per second, ${options.seconds} s per measurement, over loopback, against a process of node:net without limits.`,
    "ratio: bytes by the SockMan's own stats, over what the limit allows. CPU: of this process, all threads, of one core. idle: all limits set, no byte moves.",
    off.length === 0
      ? `No rate is off by more than ${percent(TOLERANCE)}.`
      : `* Off by more than ${percent(TOLERANCE)}:`,
    ...off.map(explain),
  ].join('\n')
}

/** With how busy both sides and the machine were: a rate that nobody can move is no fault of the limit. */
function explain({ row, direction, limit, connections, ratio, asked, ...cost }: RatePoint): string {
  const { bytesPerSecond, cpuShare, peerCpuShare, waitedShare, peerWaitedShare } = cost
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
  return (
    `  ${row}, ${direction}, ${limit}, ${connections} connections: ${ratio.toFixed(3)}, ` +
    `${megabytes(bytesPerSecond)} of ${megabytes(asked)} MB/s; ` +
    `CPU ${percent(cpuShare)} and ${percent(waitedShare)} waiting for one, ` +
    `the other side ${percent(peerCpuShare)} and ${percent(peerWaitedShare)}`
  )
}
