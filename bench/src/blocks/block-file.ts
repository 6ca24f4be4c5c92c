import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import bzip from 'seek-bzip'
import { BenchError } from '../errors'
import { sha256d } from '../wire/hash'
import { BLOCK_HEADER_SIZE, MAX_PAYLOAD } from '../wire/message'
import { MAGIC, type Network, networkOf } from '../wire/network'
import { blockLength, meetsTarget } from './block'
import type { BlockSet } from './block-set'

const EXTENSIONS = ['.raw', '.dat', '.blk', '.bin', '.bz2']
/** The set is served from memory. */
const MAX_SET = 2 * 1024 ** 3

/**
 * Blocks from a file or from the files of a directory, in the order of their names. A file is
 *
 * - *raw*: one serialized block;
 * - *framed*: a `blk*.dat` of Bitcoin Core, records of magic, length (uint32 LE) and block, zeros at the end
 *   allowed;
 * - either of them compressed with bzip2 (`.bz2`).
 *
 * Every block is walked to its last byte and must meet the target in its header. In a directory, files of
 * other names than `.raw .dat .blk .bin .bz2` are left out with a note; a block met twice is served once.
 *
 * @throws BenchError naming the file and what is wrong with it
 */
export function openBlockFiles(path: string): BlockSet {
  const notes: string[] = []
  const files = statSync(path).isDirectory() ? listFiles(path, notes) : [path]
  const network = findNetwork(files)
  return {
    name: path,
    network,
    description: `block files of ${path}, a sample and not a chain unless the files are one; served in the order of their names`,
    notes,
    *blocks() {
      const seen = new Set<string>()
      let total = 0
      for (const file of files) {
        for (const block of blocksOf(file, MAGIC[network])) {
          const hash = sha256d(block.subarray(0, BLOCK_HEADER_SIZE)).toString('hex')
          total += block.length
          if (total > MAX_SET) {
            throw new BenchError(
              `${path} holds more than 2 GiB of blocks, which are served from memory: name fewer files`,
            )
          }
          if (!seen.has(hash)) yield block
          else notes.push(`${basename(file)}: a block that an earlier file holds is left out`)
          seen.add(hash)
        }
      }
    },
  }
}

/** One network per set: that of the first framed file; raw blocks do not say, mainnet is assumed. */
function findNetwork(files: readonly string[]): Network {
  for (const file of files) {
    const network = networkOf(frameMagic(readBlockFile(file)) ?? 0)
    if (network) return network
  }
  return 'mainnet'
}

function listFiles(directory: string, notes: string[]): string[] {
  const names = readdirSync(directory).sort()
  const taken = names.filter((name) => {
    const take = EXTENSIONS.includes(extname(name)) && statSync(join(directory, name)).isFile()
    if (!take) notes.push(`${name} is left out: not a file named ${EXTENSIONS.map((e) => `*${e}`).join(' ')}`)
    return take
  })
  if (taken.length === 0) throw new BenchError(`${directory} holds no block file (${EXTENSIONS.join(' ')})`)
  return taken.map((name) => join(directory, name))
}

function readBlockFile(file: string): Buffer {
  try {
    const stored = readFileSync(file)
    return extname(file) === '.bz2' ? bzip.decode(stored) : stored
  } catch (error) {
    throw new BenchError(`${file}: ${(error as Error).message}`)
  }
}

/** The magic a framed file begins with, undefined for a raw one. */
function frameMagic(data: Buffer): number | undefined {
  const magic = data.length >= 8 ? data.readUInt32LE(0) : 0
  return networkOf(magic) ? magic : undefined
}

function* blocksOf(file: string, magic: number): Iterable<Buffer> {
  const data = readBlockFile(file)
  if (frameMagic(data) === undefined) {
    yield checked(data, `${file}`)
    return
  }
  for (let at = 0; at < data.length; ) {
    const where = `${file}, record at byte ${at}`
    if (data.subarray(at).every((byte) => byte === 0)) return // Core allocates blk files ahead
    if (data.length - at < 8) throw new BenchError(`${where}: truncated`)
    if (data.readUInt32LE(at) !== magic) {
      throw new BenchError(
        `${where}: magic ${data.toString('hex', at, at + 4)}, not that of the set's network`,
      )
    }
    const length = data.readUInt32LE(at + 4)
    if (length > data.length - at - 8)
      throw new BenchError(`${where}: ${length} bytes announced, the file ends before`)
    yield checked(data.subarray(at + 8, at + 8 + length), where)
    at += 8 + length
  }
}

function checked(block: Buffer, where: string): Buffer {
  let length: number
  try {
    length = blockLength(block)
  } catch (error) {
    throw new BenchError(`${where}: not a whole block: ${(error as Error).message}`)
  }
  if (length !== block.length)
    throw new BenchError(`${where}: ${block.length - length} bytes after the end of the block`)
  if (length > MAX_PAYLOAD)
    throw new BenchError(`${where}: a block of ${length} bytes, at most ${MAX_PAYLOAD} fit a message`)
  if (!meetsTarget(block.subarray(0, BLOCK_HEADER_SIZE))) {
    throw new BenchError(`${where}: not a block: its header does not meet the target it names`)
  }
  return block
}
