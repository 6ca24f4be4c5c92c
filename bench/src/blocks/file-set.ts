import { basename } from 'node:path'
import { BenchError } from '../errors'
import type { Network } from '../wire/network'
import type { BlockFile } from './block-file'
import { type BlockListing, listBlockFiles } from './block-listing'
import { type BlockRecord, framedRecords, isFramed, rawRecord, readBlock } from './block-record'
import type { BlockSet } from './block-set'
import { chainsOf } from './chain-order'

/** The set is served from memory. */
const MAX_SET = 2 * 1024 ** 3

/**
 * Blocks from a file, from the files of a directory in the order of their names, or from a node's blocks folder. A file is
 *
 * - *raw*: one serialized block;
 * - *framed*: a `blk*.dat` of Bitcoin Core, records of magic, length (uint32 LE) and block, zeros at the end
 *   allowed;
 * - either of them compressed with bzip2 (`.bz2`).
 *
 * Where `blk*.dat` files are named, they are a node's: only they are read, with the obfuscation key of `xor.dat`, and their
 * blocks come in the order of the chain with the most work, others are left out with a note.
 *
 * Every header is read here and must meet the target that it names; every block is walked to its last byte when it is
 * served. A block met twice is served once.
 *
 * @param most bytes of blocks, for they are served from memory; those behind are left out with a note
 * @throws BenchError naming the file, what is wrong with it and what to do
 */
export function openBlockFiles(path: string, most = MAX_SET): BlockSet {
  const listing = listBlockFiles(path)
  const notes = [...listing.notes]
  const found = index(listing, most, notes)
  if (found.length === 0) {
    throw new BenchError(
      `${path} holds no blocks yet, only space for them: name files that a node has filled`,
    )
  }
  const network = found.find((record) => record.network)?.network ?? 'mainnet'
  const records = listing.kind === 'sample' ? found : inChainOrder(found, listing.kind, notes)
  return {
    name: path,
    network,
    description:
      listing.kind === 'sample'
        ? `block files of ${path}, a sample and not a chain unless the files are one; served in the order of their names`
        : `${network} blocks of ${path} in the order of their chain`,
    notes,
    blocks: () => blocksOf(records),
  }
}

/** One network per set: that of the first framed file; raw blocks do not say, mainnet is assumed. */
function index({ files, kind }: BlockListing, most: number, notes: string[]): BlockRecord[] {
  const records: BlockRecord[] = []
  const seen = new Set<string>()
  let [bytes, network] = [0, undefined as Network | undefined]
  for (const file of files) {
    let again = 0
    try {
      const framed = kind !== 'sample' || isFramed(file)
      for (const record of framed ? framedRecords(file, network) : [rawRecord(file)]) {
        network ??= record.network
        if (seen.has(record.hash)) {
          again++
          continue
        }
        if (bytes + record.length > most) {
          notes.push(
            `${basename(file.path)}: left out from byte ${record.offset} on, with all files after it: a set is served from memory, ${most} bytes at most`,
          )
          return records
        }
        bytes += record.length
        seen.add(record.hash)
        records.push(record)
      }
    } finally {
      file.close()
      if (again > 0) notes.push(`${basename(file.path)}: ${count(again)} met before, left out`)
    }
  }
  return records
}

/** A folder has one chain; one file of many is a piece of a chain with holes, and all its pieces are served. */
function inChainOrder(
  records: readonly BlockRecord[],
  kind: 'folder' | 'file',
  notes: string[],
): BlockRecord[] {
  const chains = chainsOf(records)
  const best = chains.reduce((most, chain) => (chain.work > most.work ? chain : most))
  const served = kind === 'folder' ? [best] : chains
  const blocks = served.flatMap((chain) => chain.blocks)
  const stale = served.reduce((sum, chain) => sum + chain.stale, 0)
  const orphaned = records.length - blocks.length - stale
  if (stale > 0) notes.push(`${count(stale)} left out: stale, another branch of the chain has more work`)
  if (orphaned > 0)
    notes.push(`${count(orphaned)} left out: orphaned, what they build on is not in the folder`)
  return blocks
}

function* blocksOf(records: readonly BlockRecord[]): Iterable<Buffer> {
  let open: BlockFile | undefined
  try {
    for (const record of records) {
      // One file is open at a time: a set may have thousands.
      if (record.file !== open) open?.close()
      open = record.file
      yield readBlock(record)
    }
  } finally {
    open?.close()
  }
}

function count(blocks: number): string {
  return `${blocks} ${blocks === 1 ? 'block' : 'blocks'}`
}
