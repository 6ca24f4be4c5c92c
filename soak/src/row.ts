import { residentMemory } from '../../packages/core/src/conformance/measure'
import { openGround } from './ground'
import { playRound } from './round'

/** Rounds after which memory is looked at: pools, caches and code have grown to their size by then. */
const WARM = 4
/** Most bytes that resident memory may grow by from then on. */
const GROWTH = 48 << 20

export interface RowReport {
  readonly row: string
  readonly seed: number
  readonly rounds: number
  readonly seconds: number
  readonly faults: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  /** Resident bytes after the warm rounds and at the end, each after a collection of garbage. */
  readonly memory: readonly [number, number]
  /** By round: alike in two runs with the same events. */
  readonly traces: readonly number[]
}

export interface RowOptions {
  readonly row: string
  readonly seconds: number
  readonly seed: number
  /** ms of random calls in a round. */
  readonly round: number
  /** Told after every round. */
  readonly progress?: (report: RowReport) => void
}

/** Plays rounds for so long, each with a seed one higher than the last, or until one finds a fault. */
export async function soakRow({ row, seconds, seed, round, progress }: RowOptions): Promise<RowReport> {
  const counts: Record<string, number> = {}
  const faults: string[] = []
  const traces: number[] = []
  const began = performance.now()
  let memory: [number, number] = [0, 0]
  let name = row
  const report = (): RowReport => ({
    row: name,
    seed,
    rounds: traces.length,
    seconds: (performance.now() - began) / 1000,
    faults,
    counts,
    memory,
    traces,
  })
  do {
    const current = seed + traces.length
    const ground = await openGround(row, current)
    name = ground.row
    const result = await playRound(ground, current, round)
    await ground.close()
    traces.push(result.trace)
    for (const [what, count] of result.counts) counts[what] = (counts[what] ?? 0) + count
    if (result.faults.length > 0) faults.push(...result.faults.map((each) => `seed ${current}: ${each}`))
    const resident = residentMemory()
    if (traces.length <= WARM) memory = [resident, resident]
    else memory[1] = resident
    progress?.(report())
  } while (performance.now() - began < seconds * 1000 && faults.length === 0)
  if (memory[1] - memory[0] > GROWTH)
    faults.push(
      `memory has grown from ${memory[0] >> 20} to ${memory[1] >> 20} MiB in ${traces.length} rounds`,
    )
  return report()
}
