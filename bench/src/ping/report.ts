import { overlap, pairedRatio, type Summary, summarize } from 'sockman/measure'
import { describeMachine, machineLine } from '../report/machine'
import { explainIntervals, formatSummary, formatTable } from '../report/table'
import { type PingPoint, type PingResult, type PingTrial, SATURATED } from './ping'

const BASELINE = 'net'

/** Figures of one point, each over its trials. */
export interface PingSummary {
  readonly row: string
  readonly connections: number
  readonly requestsPerSecond: Summary
  /** µs. */
  readonly p50: Summary
  readonly p99: Summary
  /** CPU of the load as a share of the time; near 1 the load is the bottleneck. */
  readonly loadCpu: Summary
  /** To the row `net` of the same round and connections; null without one. */
  readonly requestsRatio: Summary | null
  readonly p50Ratio: Summary | null
}

const rate = ({ requests, seconds }: PingTrial) => requests / seconds
const p50 = (trial: PingTrial) => trial.p50
const byRound = (trials: readonly PingTrial[], figure: (trial: PingTrial) => number) =>
  new Map(trials.map((trial) => [trial.round, figure(trial)]))

export function summarizePoints(points: readonly PingPoint[]): PingSummary[] {
  return points.map((point) => {
    const { connections, trials } = point
    const baseline = points.find((other) => other.named === BASELINE && other.connections === connections)
    const over = (figure: (trial: PingTrial) => number) => summarize(trials.map(figure))
    const ratio = (figure: (trial: PingTrial) => number) =>
      (baseline &&
        baseline !== point &&
        pairedRatio(byRound(trials, figure), byRound(baseline.trials, figure))) ||
      null
    return {
      row: trials[0]!.row,
      connections,
      requestsPerSecond: over(rate),
      p50: over(p50),
      p99: over((trial) => trial.p99),
      loadCpu: over(({ cpu }) => cpu),
      requestsRatio: ratio(rate),
      p50Ratio: ratio(p50),
    }
  })
}

/** The table and what must be known to read it. */
export function formatPing({ options, points }: PingResult): string {
  const summaries = summarizePoints(points)
  const head = [
    'row',
    'connections',
    'requests/s',
    `× ${BASELINE}`,
    'p50 µs',
    `p50 × ${BASELINE}`,
    'p99 µs',
    "load's CPU",
  ]
  const body = summaries.map((summary) => {
    const baseline = summaries.find(
      ({ row, connections }) => row === BASELINE && connections === summary.connections,
    )
    const ratio = (figure: Summary | null, own: Summary, other: Summary | undefined) => {
      if (!figure || !other) return '–'
      return overlap(own, other) ? `${formatSummary(figure, 2)}\nwithin noise` : formatSummary(figure, 2)
    }
    const saturated = summary.loadCpu.median > SATURATED ? ' *' : ''
    return [
      summary.row,
      String(summary.connections),
      formatSummary(summary.requestsPerSecond, 0),
      ratio(summary.requestsRatio, summary.requestsPerSecond, baseline?.requestsPerSecond),
      formatSummary(summary.p50, 1),
      ratio(summary.p50Ratio, summary.p50, baseline?.p50),
      formatSummary(summary.p99, 0),
      `${(summary.loadCpu.median * 100).toFixed(0)} %${saturated}`,
    ]
  })
  const saturated = summaries.some(({ loadCpu }) => loadCpu.median > SATURATED)
  return [
    formatTable(head, body),
    machineLine(describeMachine()),
    `32-byte requests in a closed loop from one native process, ${options.seconds} s per measurement, over loopback.`,
    `${explainIntervals(summaries[0]!.requestsPerSecond)} Rows take turns; each trial is a server process of its own. Ratios are taken round by round.`,
    ...(saturated ? ['* The load was busy all the time: the server may be faster than this.'] : []),
  ].join('\n')
}
