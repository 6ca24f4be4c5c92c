import {
  type Backend,
  parseRow,
  parseSize,
  remedyFor,
  resolveSockManOptions,
  rowOptions,
  SockError,
  type SockManOptions,
} from '@sockman/core'
import { BenchError, UsageError } from '../errors'
import { BACKEND_NAMES, engineRows, loadBackend } from './backends'
import { netTransport } from './net'
import { sockManTransport } from './sockman'
import type { Transport } from './transport'

/** One line of a table: an engine and its settings. Plain data: it goes to the child process as its text. */
export type BenchRow = NetRow | SockManRow

export interface NetRow {
  readonly kind: 'net'
  readonly text: string
  /** Bytes of the `onread` buffer, undefined with `'data'` events. */
  readonly onread: number | undefined
  /** Counts bytes instead of framing and verifying them. */
  readonly raw: boolean
}

export interface SockManRow {
  readonly kind: 'sockman'
  readonly text: string
  readonly backend: string
  readonly options: SockManOptions
}

const KNOWN = `known are ${BACKEND_NAMES.join(', ')} (with :thread, :inline, :key=value), net, net:onread=SIZE, net:raw`

/**
 * Reads a row: core's `name[:drive][:key=value…]`, and `net:raw`.
 *
 * @throws UsageError naming the part that does not fit
 */
export function parseBenchRow(text: string): BenchRow {
  if (text === 'net:raw') return { kind: 'net', text, onread: undefined, raw: true }
  try {
    const row = parseRow(text)
    const { name, drive, settings } = row
    if (name === 'net') {
      if (drive) throw new UsageError(`invalid row "${text}": net has no ${drive} drive`)
      return { kind: 'net', text, onread: readOnread(text, settings), raw: false }
    }
    if (!BACKEND_NAMES.includes(name)) throw new UsageError(`unknown row "${text}": ${KNOWN}`)
    const options = rowOptions(row)
    resolveSockManOptions(options)
    return { kind: 'sockman', text, backend: name, options }
  } catch (error) {
    if (error instanceof SockError) throw new UsageError(`invalid row "${text}": ${error.message}; ${KNOWN}`)
    throw error
  }
}

function readOnread(text: string, settings: Readonly<Record<string, string>>): number | undefined {
  const { onread, ...others } = settings
  const [unknown] = Object.keys(others)
  if (unknown) throw new UsageError(`invalid row "${text}": net has no setting "${unknown}", only onread`)
  if (onread === undefined) return undefined
  const size = parseSize(onread)
  if (!size || size > 2 ** 30)
    throw new UsageError(`invalid row "${text}": onread is a size up to 1G, such as 1M`)
  return size
}

/**
 * Why a row cannot run here, with the remedy; undefined when it can.
 *
 * @throws UsageError for a drive that the backend does not have
 */
export async function whyUnavailable(row: BenchRow): Promise<string | undefined> {
  if (row.kind === 'net') return undefined
  let backend: Backend
  try {
    backend = await loadBackend(row.backend)
  } catch (error) {
    return `its package cannot be loaded: ${(error as Error).message}; run "pnpm build"`
  }
  const { drive } = row.options
  if (drive && !backend.supports.drives.includes(drive)) {
    throw new UsageError(
      `invalid row "${row.text}": ${row.backend} has the drives ${backend.supports.drives.join(', ')}`,
    )
  }
  const probe = backend.probe()
  if (!probe.available) return `${probe.message} (${probe.reason}); ${remedyFor(probe)}`
  if (drive && !probe.drives.includes(drive)) return `the ${drive} drive does not work in this runtime`
  return undefined
}

/**
 * The rows that can run: a named one that cannot is an error. When none is named, every backend on every drive and the
 * `net` ones, of which those that cannot are left out and `note`d.
 */
export async function availableRows(
  named: readonly string[] | undefined,
  net: readonly string[],
  note: (line: string) => void,
): Promise<BenchRow[]> {
  const rows = [...new Set(named ?? [...(await engineRows()), ...net])].map(parseBenchRow)
  const available: BenchRow[] = []
  for (const row of rows) {
    const why = await whyUnavailable(row)
    if (why === undefined) available.push(row)
    else if (named) throw new BenchError(`${row.text} is not available: ${why}`)
    else note(`${row.text} is left out: ${why}`)
  }
  return available
}

/** Starts the engine of a row. @throws SockError what `createSockMan` throws */
export async function openTransport(row: BenchRow): Promise<Transport> {
  if (row.kind === 'net') return netTransport(row.text, row.onread) as Transport
  return sockManTransport(await loadBackend(row.backend), row.options) as Transport
}
