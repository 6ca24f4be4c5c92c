import type { RowTrials } from './measure'
import { pairedRatio, type Summary, summarize } from './statistics'

/** Figures of one row, each over its trials. */
export interface RowSummary {
  readonly row: string
  readonly gigabytesPerSecond: Summary
  /** CPU seconds of the receiving process, all threads. */
  readonly cpuSecondsPerGigabyte: Summary
  /** Round trip, µs. */
  readonly p50: Summary
}

/** @property rows within the noise of the one recommended, in every figure that counts */
export interface Recommendation {
  readonly row: string
  /** By what margin, or that there is none. */
  readonly why: string
  readonly withinNoise: readonly string[]
}

type Figure = (trial: RowTrials['trials'][number]) => number

const rate: Figure = ({ download }) => download.bytes / download.seconds / 1e9
const cpu: Figure = ({ download }) => (download.cpu / download.bytes) * 1e9
const p50: Figure = ({ ping }) => ping.p50

export function summarizeRows(rows: readonly RowTrials[]): RowSummary[] {
  return rows.map(({ row, trials }) => ({
    row,
    gigabytesPerSecond: summarize(trials.map(rate)),
    cpuSecondsPerGigabyte: summarize(trials.map(cpu)),
    p50: summarize(trials.map(p50)),
  }))
}

/**
 * The row that downloads most per second; among those that it does not beat beyond the noise, the one with the
 * shortest round trip; among those that this does not beat either, the first. A row beats another when the interval of
 * their ratio, taken round by round, lies above 1.
 *
 * @param rows best guess first, at least one, all with as many trials
 */
export function recommend(rows: readonly RowTrials[]): Recommendation {
  const [only] = rows
  if (rows.length === 1) return { row: only!.row, why: 'it is the only one available', withinNoise: [] }

  const fastest = best(rows, rate)
  const asFast = rows.filter((row) => !beats(fastest, row, rate))
  if (asFast.length === 1) {
    const next = best(
      rows.filter((row) => row !== fastest),
      rate,
    )
    return {
      row: fastest.row,
      why: `it downloads ${times(ratio(fastest, next, rate))} as fast as the next, ${next.row}`,
      withinNoise: [],
    }
  }
  const inverse: Figure = (trial) => 1 / p50(trial)
  const quickest = best(asFast, inverse)
  const asQuick = asFast.filter((row) => !beats(quickest, row, inverse))
  const names = (all: readonly RowTrials[]) => all.map(({ row }) => row).join(', ')
  if (asQuick.length === 1) {
    const others = asFast.filter((row) => row !== quickest)
    const next = best(others, inverse)
    return {
      row: quickest.row,
      why:
        `its download is within the noise of ${names(others)}, ` +
        `and ${next.row} takes ${times(ratio(quickest, next, inverse))} as long for a round trip`,
      withinNoise: [],
    }
  }
  const [first, ...others] = asQuick
  return {
    row: first!.row,
    why: `the difference to ${names(others)} is within the noise, in download and round trip; it comes first in the order of auto`,
    withinNoise: others.map(({ row }) => row),
  }
}

function best(rows: readonly RowTrials[], figure: Figure): RowTrials {
  const median = ({ trials }: RowTrials) => summarize(trials.map(figure)).median
  return rows.reduce((a, b) => (median(b) > median(a) ? b : a))
}

/** Of a to b, round by round. */
function ratio(a: RowTrials, b: RowTrials, figure: Figure): Summary {
  const byRound = ({ trials }: RowTrials) => new Map(trials.map((trial, round) => [round, figure(trial)]))
  return pairedRatio(byRound(a), byRound(b))!
}

function beats(a: RowTrials, b: RowTrials, figure: Figure): boolean {
  return a !== b && ratio(a, b, figure).low > 1
}

function times({ median, low, high }: Summary): string {
  return `${median.toFixed(2)} [${low.toFixed(2)}–${high.toFixed(2)}] times`
}
