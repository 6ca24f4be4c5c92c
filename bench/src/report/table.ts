import Table from 'cli-table3'
import type { Summary } from 'sockman/measure'

/**
 * A table for the terminal, without colours, so that it can be pasted anywhere. Numbers stand on the right.
 */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString()
}

/** `4.87 [4.80–4.95]`. @param digits after the point */
export function formatSummary({ median, low, high, count }: Summary, digits: number): string {
  const text = median.toFixed(digits)
  return count > 1 ? `${text} [${low.toFixed(digits)}–${high.toFixed(digits)}]` : text
}

/** What the brackets in the table are. */
export function explainIntervals({ count, coverage }: Summary): string {
  if (count === 1) return 'One trial: no interval.'
  const what = coverage >= 0.95 ? '95 % interval' : 'range'
  return `Medians of ${count} trials, in brackets the ${what} (it covers the true median with ${(coverage * 100).toFixed(1)} %).`
}
