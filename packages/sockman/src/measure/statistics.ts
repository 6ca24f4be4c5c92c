/** A median with a confidence interval for it. */
export interface Summary {
  readonly median: number
  readonly low: number
  readonly high: number
  /** Probability that the interval covers the true median, 0 to 1. */
  readonly coverage: number
  /** Number of values. */
  readonly count: number
}

/**
 * Median and the narrowest symmetric order-statistics interval that covers it with at least 95 %; with fewer
 * than six values no interval does, and it is their range. Assumes nothing about the distribution. Source:
 * David and Nagaraja, *Order Statistics*, 7.1.
 *
 * @param values at least one
 */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b)
  const count = sorted.length
  const middle = (sorted[Math.floor((count - 1) / 2)]! + sorted[Math.ceil((count - 1) / 2)]!) / 2
  let cut = 0
  while (cut + 1 < count / 2 && coverageOf(count, cut + 1) >= 0.95) cut++
  return {
    median: middle,
    low: sorted[cut]!,
    high: sorted[count - 1 - cut]!,
    coverage: coverageOf(count, cut),
    count,
  }
}

/**
 * That the median lies inside when `cut` values are left out at either end: 1 − 2·P(Binomial(n, ½) ≤ cut).
 */
function coverageOf(count: number, cut: number): number {
  let [term, tail] = [0.5 ** count, 0]
  for (let k = 0; k <= cut; k++) {
    tail += term
    term *= (count - k) / (k + 1)
  }
  return Math.max(0, 1 - 2 * tail)
}

/** Whether two intervals have a point in common: then neither row is named the better one. */
export function overlap(a: Summary, b: Summary): boolean {
  return a.low <= b.high && b.low <= a.high
}

/**
 * Ratio to a baseline measured in the same rounds, taken round by round, so that what slows a whole round
 * cancels out.
 *
 * @param values, baseline by round; rounds that lack either are left out
 * @returns undefined without a common round
 */
export function pairedRatio(
  values: ReadonlyMap<number, number>,
  baseline: ReadonlyMap<number, number>,
): Summary | undefined {
  const ratios = [...values].flatMap(([round, value]) =>
    baseline.has(round) ? [value / baseline.get(round)!] : [],
  )
  return ratios.length > 0 ? summarize(ratios) : undefined
}
