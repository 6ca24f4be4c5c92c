import { overlap, pairedRatio, type Summary, summarize } from 'sockman/measure'
import { describeMachine, machineLine } from '../report/machine'
import { explainIntervals, formatSummary, formatTable } from '../report/table'
import type { IbdResult, RowResult, Trial } from './ibd'

/** The row that the ratios are to. */
const BASELINE = 'net'

/** The row that neither frames nor verifies. */
const COUNTING = 'net:raw'

/** Figures of one row, each over its trials. */
export interface RowSummary {
  /** What really ran. */
  readonly row: string
  readonly gigabytesPerSecond: Summary
  readonly blocksPerSecond: Summary
  readonly userSecondsPerGigabyte: Summary
  readonly systemSecondsPerGigabyte: Summary
  readonly eventsPerWakeup: Summary | null
  /** ms. */
  readonly latencyP50: Summary
  readonly latencyP99: Summary
  readonly serverSecondsPerGigabyte: Summary | null
  /** To the row `net` of the same round; null without one. */
  readonly ratio: Summary | null
  readonly cpuRatio: Summary | null
}

const gigabytesPerSecond = (trial: Trial) => trial.bytes / 1e9 / trial.seconds
const cpuPerGigabyte = (trial: Trial) => ((trial.cpu.user + trial.cpu.system) * 1e9) / trial.bytes
const byRound = (trials: readonly Trial[], figure: (trial: Trial) => number) =>
  new Map(trials.map((trial) => [trial.round, figure(trial)]))

/** Of the rows that have data points. */
export function summarizeRows(rows: readonly RowResult[]): RowSummary[] {
  const baseline = rows.find(({ named, failure }) => named === BASELINE && failure === undefined)
  return rows
    .filter(({ trials, failure }) => trials.length > 0 && failure === undefined)
    .map((result) => summarizeRow(result, baseline))
}

function summarizeRow(result: RowResult, baseline: RowResult | undefined): RowSummary {
  const { trials } = result
  const over = (figure: (trial: Trial) => number) => summarize(trials.map(figure))
  const ratio = (figure: (trial: Trial) => number) =>
    (baseline &&
      baseline !== result &&
      pairedRatio(byRound(trials, figure), byRound(baseline.trials, figure))) ||
    null
  return {
    row: trials[0]!.row,
    gigabytesPerSecond: over(gigabytesPerSecond),
    blocksPerSecond: over(({ blocks, seconds }) => blocks / seconds),
    userSecondsPerGigabyte: over(({ cpu, bytes }) => (cpu.user * 1e9) / bytes),
    systemSecondsPerGigabyte: over(({ cpu, bytes }) => (cpu.system * 1e9) / bytes),
    eventsPerWakeup: trials[0]!.eventsPerWakeup === null ? null : over((trial) => trial.eventsPerWakeup!),
    latencyP50: over(({ latency }) => latency.p50),
    latencyP99: over(({ latency }) => latency.p99),
    serverSecondsPerGigabyte: trials[0]!.server
      ? over(({ server }) => ((server!.user + server!.system) * 1e9) / server!.bytesSent)
      : null,
    ratio: ratio(gigabytesPerSecond),
    cpuRatio: ratio(cpuPerGigabyte),
  }
}

/** The table and what must be known to read it. */
export function formatIbd(result: IbdResult): string {
  const summaries = summarizeRows(result.rows)
  const failed = result.rows
    .filter(({ failure }) => failure !== undefined)
    .map(({ named, failure }) => `${named} failed: ${failure}`)
  if (summaries.length === 0) return failed.join('\n')
  const baseline = summaries.find(({ row }) => row === BASELINE)
  const head = [
    'row',
    'GB/s',
    `× ${BASELINE}`,
    'blocks/s',
    'CPU s/GB\nuser + sys',
    `CPU × ${BASELINE}`,
    'events/\nwake-up',
    'block ms\np50 / p99',
    'server\nCPU s/GB',
  ]
  const body = summaries.map((summary) => [
    summary.row,
    formatSummary(summary.gigabytesPerSecond, 2),
    formatRatio(summary, baseline),
    summary.blocksPerSecond.median.toFixed(0),
    `${summary.userSecondsPerGigabyte.median.toFixed(3)} + ${summary.systemSecondsPerGigabyte.median.toFixed(3)}`,
    summary.cpuRatio ? formatSummary(summary.cpuRatio, 2) : '–',
    summary.eventsPerWakeup?.median.toFixed(1) ?? '–',
    `${summary.latencyP50.median.toFixed(0)} / ${summary.latencyP99.median.toFixed(0)}`,
    summary.serverSecondsPerGigabyte?.median.toFixed(3) ?? '–',
  ])
  return [formatTable(head, body), ...failed, ...explain(result, summaries)].join('\n')
}

function formatRatio({ ratio, gigabytesPerSecond }: RowSummary, baseline: RowSummary | undefined): string {
  if (!ratio || !baseline) return '–'
  const text = formatSummary(ratio, 2)
  return overlap(gigabytesPerSecond, baseline.gigabytesPerSecond) ? `${text}\nwithin noise` : text
}

function explain(result: IbdResult, summaries: readonly RowSummary[]): string[] {
  const { options, set } = result
  const lines = [
    machineLine(describeMachine()),
    ...(set ? [`${set.description}: ${describeMix(set)}.`] : []),
    `${options.peers} peers, ${times(options.laps, 'lap')} over the set per trial${
      options.warmUpLaps > 0 ? ' after one more to warm up' : ''
    }, ${set ? `all of it sent from memory by ${options.send}(2); ` : ''}${VERIFIED[options.verify]}.`,
    `${explainIntervals(summaries[0]!.gigabytesPerSecond)} Rows take turns; each trial is a process of its own. Ratios are taken round by round.`,
    verdict(summaries.filter(({ row }) => row !== COUNTING)),
    ...(summaries.some(({ row }) => row === COUNTING)
      ? [
          `${COUNTING} only counts bytes: what the baseline's sockets give before any framing; it takes no part in the comparison.`,
        ]
      : []),
    'This is a socket figure over loopback, not the speed of a real initial block download, which validation dominates.',
  ]
  return lines
}

const VERIFIED = {
  checksum: 'every payload hashed against its checksum, every block against the hash asked for',
  none: 'every length and block header hash checked, payloads not hashed (--verify none)',
} as const

function describeMix({ blocks, bytes, smallest, median, largest }: NonNullable<IbdResult['set']>): string {
  const sizes = [smallest, median, largest].map((size) =>
    size >= 1e5 ? `${(size / 1e6).toFixed(2)} MB` : `${size} B`,
  )
  return `${blocks} blocks, ${(bytes / 1e6).toFixed(1)} MB, messages of ${sizes[0]} to ${sizes[2]}, median ${sizes[1]}`
}

function times(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** A winner only where its interval stands apart from every other. */
function verdict(summaries: readonly RowSummary[]): string {
  if (summaries.length < 2) return 'One row: nothing to compare.'
  const [first, ...others] = [...summaries].sort(
    (a, b) => b.gigabytesPerSecond.median - a.gigabytesPerSecond.median,
  )
  const close = others.filter((other) => overlap(first!.gigabytesPerSecond, other.gigabytesPerSecond))
  if (close.length > 0 || first!.gigabytesPerSecond.count === 1) {
    return close.length > 0
      ? `Within noise of each other at the top: ${[first!, ...close].map(({ row }) => row).join(', ')}.`
      : 'One trial per row: no winner is named.'
  }
  return `Most GB/s here: ${first!.row}.`
}
