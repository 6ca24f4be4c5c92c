#!/usr/bin/env node
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { engineRows } from '../../bench/src/rows/backends'
import type { RowReport } from './row'

interface Options {
  readonly backend?: readonly string[]
  readonly minutes: number
  readonly seed: number
  readonly round: number
  readonly json?: boolean
}

const number =
  (least: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!(value >= least))
      throw new InvalidArgumentError(`a number from ${least} on is wanted, not "${text}"`)
    return value
  }

function whole(text: string): number {
  const value = number(0)(text)
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError(`a whole number is wanted, not "${text}"`)
  return value
}

const program = new Command('soak')
  .description(
    'Random calls about random ids, from inside and outside of callbacks, against hostile peers in another process: no byte of one connection on another, each id with its events in order and one end, nothing left behind.',
  )
  .option(
    '--backend <rows>',
    'rows separated by commas, such as epoll:thread; memory is one too (default: all engines)',
    list,
  )
  .option('--minutes <n>', 'for each row, fractions too', number(0), 10)
  .option(
    '--seed <n>',
    'whole; of the first round, each next has one more (default: of the time)',
    whole,
    Date.now() % 1e9,
  )
  .option('--round <seconds>', 'of random calls before everything ends and is looked at', number(0.1), 5)
  .option('--json', 'the reports as JSON on standard output')
  .addHelpText(
    'after',
    `
A fault is printed with the seed of its round: --seed N plays that round first. On real sockets the order of events is
the kernel's; on --backend memory a seed gives the same events again. The last line is "N passed, N failed", by rows.`,
  )
  .parse()
const { backend, minutes, seed, round, json } = program.opts<Options>()

function list(text: string): string[] {
  return text.split(',').filter((each) => each !== '')
}

/** Where Unix sockets are put: whoever is killed leaves its own there. */
const folder = mkdtempSync(join(tmpdir(), 'soak-'))
let current: ChildProcess | undefined
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true
    if (current?.connected) current.disconnect()
  })
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)

function line({ row, rounds, seconds, counts, memory }: RowReport): string {
  const ids = (counts.onAccepted ?? 0) + (counts.onConnected ?? 0) + (counts.onConnectFailed ?? 0)
  const bytes = (counts['bytes received'] ?? 0) + (counts['bytes sent'] ?? 0)
  return `${row.padEnd(15)} ${rounds} rounds, ${seconds.toFixed(0)} s, ${ids} ids, ${mib(bytes)} MiB, memory ${memory.map(mib).join(' to ')} MiB`
}

/** What came of a row: its report, or how its process ended. */
async function run(row: string): Promise<RowReport | { row: string; faults: string[]; last?: RowReport }> {
  const file = fileURLToPath(new URL('./row-process.js', import.meta.url))
  const child = fork(file, [row, `${minutes * 60}`, `${seed}`, `${round * 1000}`], {
    env: { ...process.env, TMPDIR: folder },
  })
  current = child
  console.error(`${row}: ${minutes} minutes from seed ${seed} on`)
  let last: RowReport | undefined
  let report: RowReport | undefined
  let failure: string | undefined
  child.on('message', (message: { progress?: RowReport; report?: RowReport; failure?: string }) => {
    report = message.report
    failure = message.failure
    last = message.progress ?? last
    if (message.progress && process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line(message.progress)}`)
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  if (report) return report
  if (failure !== undefined) return { row, faults: [failure] }
  const at = seed + (last?.rounds ?? 0)
  const faults = interrupted ? ['interrupted'] : [`seed ${at}: the process ended with ${signal ?? code}`]
  return { row, faults, ...(last && { last }) }
}

/** For people: beside JSON on the other stream. */
const say = json ? console.error : console.log

const reports: Awaited<ReturnType<typeof run>>[] = []
for (const row of backend ?? (await engineRows())) {
  if (interrupted) break
  const report = await run(row)
  reports.push(report)
  const whole = 'rounds' in report ? report : report.last
  say(whole ? line(whole) : report.row)
  for (const fault of report.faults) say(`    FAULT ${fault.replaceAll('\n', '\n      ')}`)
}
rmSync(folder, { recursive: true, force: true })
if (json) console.log(JSON.stringify(reports))
const failed = reports.filter(({ faults }) => faults.length > 0).length
say(`${reports.length - failed} passed, ${failed} failed`)
process.exitCode = interrupted ? 130 : failed > 0 ? 1 : 0
