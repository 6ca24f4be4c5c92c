import { sha256d } from '../wire/hash'

/**
 * Root of the tree over at least one hash of 32 bytes; an odd level repeats its last. Source:
 * `consensus/merkle.cpp`.
 */
export function merkleRoot(leaves: readonly Buffer[]): Buffer {
  let level = leaves
  while (level.length > 1) {
    const above: Buffer[] = []
    for (let at = 0; at < level.length; at += 2) {
      above.push(sha256d(Buffer.concat([level[at]!, level[at + 1] ?? level[at]!])))
    }
    level = above
  }
  return level[0]!
}
