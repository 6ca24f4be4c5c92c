import { statSync } from 'node:fs'
import { UsageError } from '../errors'
import type { Network } from '../wire/network'
import { openBlockFiles } from './file-set'
import { syntheticLarge } from './synthetic'

/** Blocks to serve, read or made one by one: nothing holds the whole set in JavaScript. */
export interface BlockSet {
  /** `synthetic:large`, or the path as it was given. */
  readonly name: string
  readonly network: Network
  /**
   * Serialized blocks (the payloads of `block` messages) in the order they are served; each is valid until
   * the next.
   */
  blocks(): Iterable<Uint8Array>
  /** What the set is, one sentence for the report. */
  readonly description: string
  /** What was left out and why, one line each. */
  readonly notes: readonly string[]
}

export const SYNTHETIC_LARGE = 'synthetic:large'

/**
 * The set that `--blocks` names.
 *
 * @param source `synthetic:large`, a block file, a directory of them, or a node's blocks folder
 * @throws UsageError for a path that is not there; BenchError naming the file that holds no block
 */
export function openBlockSet(source: string): BlockSet {
  if (source === SYNTHETIC_LARGE) return syntheticLarge()
  try {
    statSync(source)
  } catch (error) {
    throw new UsageError(
      `${(error as Error).message} (--blocks takes a file, a directory or ${SYNTHETIC_LARGE})`,
    )
  }
  return openBlockFiles(source)
}
