import Table from 'cli-table3'
import type { Recommendation, RowSummary, Summary } from '../measure'
import type { Diagnosis, Finding, Outcome } from './diagnosis'
import type { Machine } from './machine'

/** The whole of what `sockman doctor` prints. */
export function formatDiagnosis(diagnosis: Diagnosis): string {
  const { machine, findings, outcome } = diagnosis
  return [
    formatFindings(findings),
    formatOutcome(outcome, findings),
    '',
    ...formatFacts(machine, diagnosis),
  ].join('\n')
}

function formatFindings(findings: readonly Finding[]): string {
  const body = findings.map(({ name, supported, available, drives, chosen, problem }) => [
    name,
    supported ? 'yes' : 'no',
    available ? 'yes' : 'no',
    drives.join(', ') || '–',
    chosen ? 'yes' : '',
    problem ? `${problem.reason}: ${problem.message}\n→ ${problem.remedy}` : '',
  ])
  const head = ['engine', 'supported', 'available', 'drives', 'chosen', 'reason and → remedy']
  return formatTable(head, body, { last: 72 })
}

function formatOutcome({ source, row, error }: Outcome, findings: readonly Finding[]): string {
  const order = findings.map(({ name }) => name).join(', ')
  const asked =
    source === 'SOCKMAN_BACKEND' ? 'SOCKMAN_BACKEND asks for it' : `the first that works of ${order}`
  if (error) return `createSockMan() would throw ${error.code}: ${error.message}`
  return `createSockMan() would run ${row}: ${asked}.`
}

function formatFacts(machine: Machine, { findings, fdSetSize, receivePool }: Diagnosis): string[] {
  const ring = findings.find(({ name }) => name === 'iouring')
  const { liburing, ...ringDetails } = ring?.details ?? {}
  const allowed =
    machine.ioUringDisabled === null ? '' : `, kernel.io_uring_disabled ${machine.ioUringDisabled}`
  const { descriptors } = machine
  const facts: [string, string][] = [
    ['kernel', `${machine.kernel} (${machine.platform}), seccomp ${machine.seccomp ?? 'unknown'}${allowed}`],
    [
      'versions',
      `Node ${machine.node}, libuv ${machine.libuv ?? 'none'}, liburing ${liburing ?? `unknown (${ring?.problem?.reason ?? 'no such engine'})`}`,
    ],
    [
      'descriptors',
      `${descriptors ? `at most ${descriptors.soft}, hard limit ${descriptors.hard}` : 'limit unknown'}; select only below FD_SETSIZE ${fdSetSize}`,
    ],
    [
      'io_uring',
      ring?.available
        ? Object.entries(ringDetails)
            .map(([key, value]) => `${key} ${value}`)
            .join('; ')
        : (ring?.problem?.message ?? 'unknown'),
    ],
    ['receive pool', formatPool(receivePool, machine.l2Cache)],
  ]
  return facts.map(([name, text]) => `${name.padEnd(13)}${text}`)
}

function formatPool(pool: number, l2: number | null): string {
  if (l2 === null) return `${size(pool)}; the size of the L2 cache is unknown`
  const verdict =
    pool <= l2
      ? 'it fits'
      : `larger than that; where throughput counts, compare with receivePool=${size(Math.max(l2 / 2, 2 ** 19)).replace(/ (.)iB/, '$1')}`
  return `${size(pool)}, L2 cache ${size(l2)}: ${verdict}`
}

/** Of the rows, and the recommendation. */
export function formatMeasurement(rows: readonly RowSummary[], { row, why }: Recommendation): string {
  const body = rows.map(({ row, gigabytesPerSecond, cpuSecondsPerGigabyte, p50 }) => [
    row,
    figure(gigabytesPerSecond, 2),
    figure(cpuSecondsPerGigabyte, 3),
    figure(p50, 1),
  ])
  const { count, coverage } = rows[0]!.p50
  const covered = `${(coverage * 100).toFixed(1)} %`
  return [
    formatTable(['row', 'download GB/s', 'CPU s/GB', 'ping p50 µs'], body),
    `Medians of ${count} trials; the brackets cover the true median with ${covered}. Rows take turns. Over loopback, node:net on the other side.`,
    `Recommended here: ${row}: ${why}.`,
  ].join('\n')
}

function figure({ median, low, high }: Summary, digits: number): string {
  return `${median.toFixed(digits)} [${low.toFixed(digits)}–${high.toFixed(digits)}]`
}

function size(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`
}

/** Without colours, so that it can be pasted anywhere. @param last width of the last column, whose text wraps */
function formatTable(head: string[], rows: string[][], { last }: { last?: number } = {}): string {
  const table = new Table({
    head,
    style: { head: [], border: [] },
    ...(last && { colWidths: [...head.slice(1).map(() => null), last + 2], wordWrap: true }),
  })
  for (const row of rows) table.push(row)
  return table.toString()
}
