import { type Download, download, type Ping, ping, type Times } from './load'
import { TrialProcess } from './trial-process'

export interface MeasureOptions {
  /** Of each row, default 7: the fewest that leave out a disturbed one and still give a 95 % interval. */
  readonly trials?: number
  /** Default 0.15, 0.4 and 0.25 s. */
  readonly times?: Times
  /** Ends it, and every process it started. */
  readonly abort?: AbortSignal
  /** Told before each trial. */
  readonly progress?: (step: Step) => void
}

/** The next trial. */
export interface Step {
  readonly row: string
  /** From 1. */
  readonly number: number
  /** Of all rows. */
  readonly total: number
}

/** All trials of one row. */
export interface RowTrials {
  readonly row: string
  /** One per round. */
  readonly trials: readonly { readonly download: Download; readonly ping: Ping }[]
}

const TIMES: Times = { warmUp: 0.15, download: 0.4, ping: 0.25 }

/**
 * A short download and a short ping over each row: `node:net` in this process is the other side, a trial's SockMan has a
 * process of its own. Rows take turns, so that what slows the machine slows all of them.
 *
 * @param rows as `createSockMan` takes them
 * @throws MeasureError for a row that does not run or loses bytes; the abort's reason
 */
export async function measure(
  rows: readonly string[],
  { trials = 7, times = TIMES, abort = new AbortController().signal, progress }: MeasureOptions = {},
): Promise<RowTrials[]> {
  const results = rows.map((row) => ({ row, trials: [] as { download: Download; ping: Ping }[] }))
  let number = 0
  for (let round = 0; round < trials; round++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const result = results[(round + turn) % rows.length]!
      progress?.({ row: result.row, number: ++number, total: trials * rows.length })
      result.trials.push(await runTrial(result.row, times, abort))
    }
  }
  return results
}

async function runTrial(row: string, times: Times, abort: AbortSignal) {
  await using trial = await TrialProcess.start(row, abort)
  try {
    return { download: await download(trial, times, abort), ping: await ping(trial, times, abort) }
  } catch (error) {
    abort.throwIfAborted() // the reason rather than what it did to a socket
    throw error
  }
}
