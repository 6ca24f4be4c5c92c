import { SockAddr } from '@sockman/core'
import { type BlockSet, openBlockSet } from '../blocks/block-set'
import { BenchError } from '../errors'
import { PROFILES, type ProfileName } from '../profile'
import { startProgress } from '../report/progress'
import { availableRows, type BenchRow } from '../rows/row'
import { BlockServer, type SendPath, ServerGone, type ServerUsage } from '../server/block-server'
import type { Verify } from '../wire/framing'
import type { Network } from '../wire/network'
import type { DownloadPlan } from './download'
import { runTrial, type TrialResult } from './trial-process'

/** The rows beside the engines', in a run that names none. */
export const NET_ROWS = ['net', 'net:onread=1M', 'net:raw'] as const

/** Of a server that is not ours: testnet3, the longest chain, has five millions. */
const MAX_BLOCKS = 8_000_000

export interface IbdOptions {
  /** Rows by name; undefined: every engine and drive and {@link NET_ROWS}, those that work here. */
  readonly rows: readonly string[] | undefined
  readonly peers: number
  /** As `openBlockSet` reads it. */
  readonly blocks: string
  readonly profile: ProfileName
  /** Per row; undefined: the profile's. */
  readonly trials: number | undefined
  /** Measured times over the set; undefined: as many as the profile's volume takes. */
  readonly laps: number | undefined
  readonly verify: Verify
  /** ms. */
  readonly stallTimeout: number
  /** Of our own server. */
  readonly send: SendPath
  /** Running servers to download from instead of our own. */
  readonly connect: readonly SockAddr[] | undefined
  /** Of those servers. */
  readonly network: Network | undefined
}

/** One data point. `round` pairs it with the other rows'. */
export interface Trial extends TrialResult {
  readonly round: number
  /**
   * CPU seconds of the serving process during the whole trial, warm-up included, and the bytes it sent; null
   * where it is not ours.
   */
  readonly server: ServerUsage | null
}

/** All trials of one row. */
export interface RowResult {
  /** As it was named. */
  readonly named: string
  readonly trials: Trial[]
  /** Why it has no (further) data points. */
  failure?: string
}

/** The blocks that were served; sizes in bytes of `block` messages. */
export interface SetSummary {
  readonly name: string
  readonly description: string
  readonly blocks: number
  readonly bytes: number
  readonly smallest: number
  readonly median: number
  readonly largest: number
}

export interface IbdResult {
  readonly options: IbdOptions & {
    readonly trials: number
    readonly laps: number
    readonly warmUpLaps: number
  }
  readonly set: SetSummary | null
  readonly rows: readonly RowResult[]
}

/** Where the blocks come from. */
interface Source {
  readonly addresses: readonly string[]
  readonly network: Network
  readonly server?: BlockServer
  readonly set?: BlockSet
}

/**
 * The main job: every row downloads the same blocks in processes of its own, round by round, the order of the
 * rows rotating from round to round.
 *
 * @param abort ends children and server; its reason is thrown then
 * @throws UsageError, BenchError
 */
export async function runIbd(options: IbdOptions, abort: AbortSignal): Promise<IbdResult> {
  const notes = (line: string) => console.error(line)
  const rows = await availableRows(options.rows, NET_ROWS, notes)
  if (!options.connect) {
    const set = openBlockSet(options.blocks)
    await using server = await BlockServer.start(set, SockAddr.parse('127.0.0.1:0'), options.send)
    for (const note of set.notes) notes(note)
    return await measure(
      rows,
      options,
      { addresses: [String(server.address)], network: set.network, server, set },
      abort,
    )
  }
  if (rows.some((row) => row.kind === 'net' && row.raw)) {
    const why = 'it counts bytes instead of reading messages, so it must know the sizes of the blocks'
    if (options.rows) throw new BenchError(`net:raw is not available with --connect: ${why}`)
    notes(`net:raw is left out with --connect: ${why}`)
  }
  const framed = rows.filter((row) => row.kind !== 'net' || !row.raw)
  const addresses = options.connect.map(String)
  return await measure(framed, options, { addresses, network: options.network ?? 'regtest' }, abort)
}

async function measure(
  rows: BenchRow[],
  options: IbdOptions,
  source: Source,
  abort: AbortSignal,
): Promise<IbdResult> {
  const { server, set } = source
  const profile = PROFILES[options.profile]
  // Servers of others are asked for each block once, unless more is wanted.
  const trials = options.trials ?? (server ? profile.trials : 1)
  const laps =
    options.laps ?? (server ? Math.max(1, Math.ceil(profile.volume[options.verify] / server.bytes)) : 1)
  const warmUpLaps = server ? 1 : 0
  const plan: DownloadPlan = {
    addresses: source.addresses,
    peers: options.peers,
    network: source.network,
    verify: options.verify,
    laps,
    warmUpLaps,
    stallTimeout: options.stallTimeout,
    maxBlocks: server?.count ?? MAX_BLOCKS,
    ...(server && { sizes: server.sizes }),
    countOnly: false,
  }
  const results: RowResult[] = rows.map(({ text }) => ({ named: text, trials: [] }))
  using progress = startProgress(trials * rows.length)
  for (let round = 0; round < trials; round++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const at = (round + turn) % rows.length
      const [row, result] = [rows[at]!, results[at]!]
      if (result.failure !== undefined) continue
      progress.step(`${row.text}, trial ${round + 1} of ${trials}`)
      const note = (line: string) => progress.note(`${row.text}: ${line}`)
      try {
        result.trials.push(
          await runOne(
            row,
            { ...plan, countOnly: row.kind === 'net' && row.raw },
            round,
            server,
            note,
            abort,
          ),
        )
      } catch (error) {
        if (abort.aborted || error instanceof ServerGone || !(error instanceof BenchError)) throw error
        result.failure = error.message
        note(`failed: ${error.message}`)
      }
    }
  }
  return {
    options: { ...options, trials, laps, warmUpLaps },
    set: set && server ? summarizeSet(set, server) : null,
    rows: results,
  }
}

function summarizeSet({ name, description }: BlockSet, { count, bytes, sizes }: BlockServer): SetSummary {
  const sorted = [...sizes].sort((a, b) => a - b)
  const [smallest, median, largest] = [sorted[0]!, sorted[count >> 1]!, sorted[count - 1]!]
  return { name, description, blocks: count, bytes, smallest, median, largest }
}

async function runOne(
  row: BenchRow,
  plan: DownloadPlan,
  round: number,
  server: BlockServer | undefined,
  note: (line: string) => void,
  abort: AbortSignal,
): Promise<Trial> {
  if (!server) return { ...(await runTrial({ row: row.text, plan }, note, abort)), round, server: null }
  const gone = new AbortController()
  void server.ended.then((end) => gone.abort(new ServerGone(end)))
  const before = await server.usage()
  const trial = runTrial({ row: row.text, plan }, note, AbortSignal.any([abort, gone.signal]))
  const result = await trial.catch(async (error) => {
    await server.usage() // a trial may know of the server's end first, by its peers: its end says more
    throw error
  })
  const after = await server.usage()
  checkCounts(result, plan, server)
  const usage = {
    user: after.user - before.user,
    system: after.system - before.system,
    bytesSent: after.bytesSent - before.bytesSent,
  }
  return { ...result, round, server: usage }
}

/** A download that is not exactly what was asked for, from all peers, is no data point. */
function checkCounts(
  { checkedBlocks, checkedBytes, dropped }: TrialResult,
  plan: DownloadPlan,
  server: BlockServer,
): void {
  const laps = plan.laps + plan.warmUpLaps
  const [blocks, bytes] = [laps * server.count, laps * server.bytes]
  if (checkedBlocks !== blocks || checkedBytes !== bytes) {
    throw new BenchError(
      `${checkedBlocks} blocks and ${checkedBytes} bytes arrived, not ${blocks} and ${bytes}`,
    )
  }
  if (dropped.length > 0)
    throw new BenchError(`${dropped.length} of ${plan.peers} peers were dropped: not comparable`)
}
