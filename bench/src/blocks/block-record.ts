import { BenchError } from '../errors'
import { displayHash, sha256d } from '../wire/hash'
import { BLOCK_HEADER_SIZE, MAX_PAYLOAD } from '../wire/message'
import { describeMagic, MAGIC, type Network, networkOf } from '../wire/network'
import { blockLength, meetsTarget } from './block'
import type { BlockFile } from './block-file'

/** Magic and length before each block of a framed file. */
const FRAME_SIZE = 8
/** A header and the count of transactions. */
const SMALLEST_BLOCK = BLOCK_HEADER_SIZE + 1

const COPY_AGAIN =
  'the file is damaged, or a node was writing it: copy it again while the node is stopped, or name a folder without it'

/** Where a block stands in its file. */
export interface BlockRecord {
  readonly file: BlockFile
  readonly offset: number
  readonly length: number
  readonly header: Buffer
  /** Display forms. */
  readonly hash: string
  readonly previous: string
  /** What the frame around it says; undefined for a raw file, which has none. */
  readonly network: Network | undefined
}

/** Whether the file begins as a framed one does. */
export function isFramed(file: BlockFile): boolean {
  const head = file.read(0, 4)
  return head.length === 4 && networkOf(head.readUInt32LE(0)) !== undefined
}

/** The one block of a raw file. @throws BenchError for a file that is none */
export function rawRecord(file: BlockFile): BlockRecord {
  if (file.size < SMALLEST_BLOCK) throw new BenchError(`${file.path}: not a whole block: ${file.size} bytes`)
  if (file.size > MAX_PAYLOAD) {
    throw new BenchError(
      `${file.path}: not a block, for it has ${file.size} bytes of at most ${MAX_PAYLOAD}, and not a file of blocks, for it begins with ${describeMagic(file.read(0, 4).readUInt32LE(0))}: name files of blocks`,
    )
  }
  return recordAt(file, 0, file.size, file.path, undefined)
}

/**
 * The blocks of a framed file, their headers read and checked.
 *
 * @param expected the network of the files before; undefined: that of the first block
 * @throws BenchError naming file, offset and remedy
 */
export function* framedRecords(file: BlockFile, expected: Network | undefined): Iterable<BlockRecord> {
  let network = expected
  for (let at = 0; at < file.size; ) {
    const where = `${file.path}, record at byte ${at}`
    const frame = file.read(at, FRAME_SIZE)
    const magic = frame.length < 4 ? undefined : frame.readUInt32LE(0)
    if (magic === undefined || magic !== (network ? MAGIC[network] : undefined)) {
      if (file.isPaddingFrom(at)) return
      if (magic === undefined) throw new BenchError(`${where}: truncated: ${COPY_AGAIN}`)
      network ??= networkOf(magic)
      if (!network || magic !== MAGIC[network])
        throw new BenchError(`${where}: ${strange(file, at, network)}`)
    }
    if (frame.length < FRAME_SIZE) throw new BenchError(`${where}: truncated: ${COPY_AGAIN}`)
    const length = frame.readUInt32LE(4)
    if (length < SMALLEST_BLOCK || length > MAX_PAYLOAD) {
      throw new BenchError(
        `${where}: ${length} bytes announced, a block has ${SMALLEST_BLOCK} to ${MAX_PAYLOAD}: ${COPY_AGAIN}`,
      )
    }
    const offset = at + FRAME_SIZE
    if (length > file.size - offset) {
      throw new BenchError(
        `${where}: ${length} bytes announced, the file ends after ${file.size - offset}: ${COPY_AGAIN}`,
      )
    }
    yield recordAt(file, offset, length, where, network)
    at = offset + length
  }
}

/** The block of a record, walked to its last byte. @throws BenchError when it is not whole */
export function readBlock({ file, offset, length, network }: BlockRecord): Buffer {
  const where = network ? `${file.path}, record at byte ${offset - FRAME_SIZE}` : file.path
  const block = file.read(offset, length)
  let found: number
  try {
    found = blockLength(block)
  } catch (error) {
    throw new BenchError(`${where}: not a whole block: ${(error as Error).message}: ${COPY_AGAIN}`)
  }
  if (found !== length) {
    throw new BenchError(`${where}: ${length - found} bytes after the end of the block: ${COPY_AGAIN}`)
  }
  return block
}

function recordAt(
  file: BlockFile,
  offset: number,
  length: number,
  where: string,
  network: Network | undefined,
): BlockRecord {
  const header = file.read(offset, BLOCK_HEADER_SIZE)
  if (!meetsTarget(header)) {
    throw new BenchError(
      `${where}: not a block: its header does not meet the target it names: ${network ? COPY_AGAIN : 'name files of blocks'}`,
    )
  }
  return {
    file,
    offset,
    length,
    header,
    hash: displayHash(sha256d(header)),
    previous: displayHash(header.subarray(4, 36)),
    network,
  }
}

/** What stands where a magic should: which network's, or why none can be seen, and what to do. */
function strange(file: BlockFile, at: number, network: Network | undefined): string {
  const magic = file.read(at, 4).readUInt32LE(0)
  const found = `magic ${describeMagic(magic)}`
  if (network && networkOf(magic)) {
    return `${found} in a set of ${network}: one set is of one network, so give the files of each a folder of their own`
  }
  const stored = file.readStored(at, 4).readUInt32LE(0)
  if (file.key && networkOf(stored)) {
    return `magic ${describeMagic(stored)}, not obfuscated, but the folder has a key: the xor.dat beside is another folder's, so take it away`
  }
  if (at > 0) return `${found} after the last whole block: ${COPY_AGAIN}`
  if (file.key) {
    return `${found} behind the obfuscation key in xor.dat: copy xor.dat anew from the folder of the node that wrote the file`
  }
  return `${found}: where the node obfuscates its files (Bitcoin Core 28 and later), copy its xor.dat into the same folder; networks known here are ${Object.keys(MAGIC).join(', ')}`
}
