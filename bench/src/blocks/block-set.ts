import { existsSync } from 'node:fs'
import { UsageError } from '../errors'
import type { Network } from '../wire/network'
import { openBlockFiles } from './block-file'
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
  /** What was left out and why, one line each; complete after `blocks()` has run. */
  readonly notes: readonly string[]
}

export const SYNTHETIC_LARGE = 'synthetic:large'

/**
 * The set that `--blocks` names.
 *
 * @param source `synthetic:large`, a block file, or a directory of them
 * @throws UsageError for a path that is not there; BenchError naming the file that holds no block
 */
export function openBlockSet(source: string): BlockSet {
  if (source === SYNTHETIC_LARGE) return syntheticLarge()
  if (!existsSync(source)) {
    throw new UsageError(`no such file or directory: ${source} (--blocks takes one, or ${SYNTHETIC_LARGE})`)
  }
  return openBlockFiles(source)
}
