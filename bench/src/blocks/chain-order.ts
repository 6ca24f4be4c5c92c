import { workOf } from './block'

/** What the order needs of a block. */
export interface Linked {
  readonly hash: string
  readonly previous: string
  readonly header: Uint8Array
}

/** Blocks that build on one another, first to last. */
export interface Chain<T> {
  readonly blocks: readonly T[]
  /** Blocks of branches with less work, which are not among `blocks`. */
  readonly stale: number
  readonly work: bigint
}

/**
 * One chain for every block whose previous block is not among `blocks`: the branch with the most work, of equal ones that whose
 * last block came first, as a node chooses. A node stores blocks as they arrive, which is any order.
 *
 * @returns in the order in which their first blocks came
 */
export function chainsOf<T extends Linked>(blocks: readonly T[]): Chain<T>[] {
  const positions = new Map(blocks.map(({ hash }, position) => [hash, position]))
  const following = new Map<number, number[]>()
  const first: number[] = []
  blocks.forEach(({ previous }, position) => {
    const parent = positions.get(previous)
    if (parent === undefined) first.push(position)
    else if (!following.get(parent)?.push(position)) following.set(parent, [position])
  })
  return first.map((position) => chainFrom(blocks, position, following))
}

function chainFrom<T extends Linked>(
  blocks: readonly T[],
  first: number,
  following: ReadonlyMap<number, readonly number[]>,
): Chain<T> {
  // Without recursion: a chain is longer than any stack.
  const parents = new Map<number, number>()
  const works = new Map([[first, workOf(blocks[first]!.header)]])
  const open = [first]
  let best = first
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const [work, most] = [works.get(at)!, works.get(best)!]
    if (work > most || (work === most && at < best)) best = at
    for (const next of following.get(at) ?? []) {
      parents.set(next, at)
      works.set(next, work + workOf(blocks[next]!.header))
      open.push(next)
    }
  }
  const chain: T[] = []
  for (let at: number | undefined = best; at !== undefined; at = parents.get(at)) chain.push(blocks[at]!)
  return { blocks: chain.reverse(), stale: works.size - chain.length, work: works.get(best)! }
}
