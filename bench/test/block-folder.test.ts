import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBlockSet } from '../src/blocks/block-set'
import { openBlockFiles } from '../src/blocks/file-set'
import { BenchError, UsageError } from '../src/errors'
import { MAGIC, NETWORKS } from '../src/wire/network'
import { Folder, frame, hashOf, obfuscate, smallBlock, smallChain } from './node-folder'

const CHAIN = smallChain(6)
const framed = (blocks: readonly Uint8Array[], magic: number = MAGIC.regtest) =>
  Buffer.concat(blocks.map((block) => frame(block, magic)))
const KEY = Buffer.from('0123456789abcdef', 'hex')
const OTHER_KEY = Buffer.from('fedcba9876543210', 'hex')

let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder[Symbol.dispose]())

function read(path: string): { blocks: Buffer[]; notes: readonly string[] } {
  const set = openBlockSet(path)
  return { blocks: Array.from(set.blocks(), (block) => Buffer.from(block)), notes: set.notes }
}

describe("a node's blocks folder", () => {
  it('is read from its blk files in the order of their numbers, what else it holds is said in one line', () => {
    folder.put('blk100000.dat', framed(CHAIN.slice(4)))
    folder.put('blk99999.dat', framed(CHAIN.slice(2, 4)))
    folder.put('blk00000.dat', framed(CHAIN.slice(0, 2)))
    for (let number = 0; number < 20; number++) folder.put(`rev0000${number}.dat`, Buffer.alloc(48))
    folder.put('xor.dat', Buffer.alloc(8))
    for (const name of ['1', '2', '3', '4', '5', '6']) folder.put(`${name}.raw`, Buffer.from('no block'))
    mkdirSync(join(folder.path, 'index'))
    const { blocks, notes } = read(folder.path)
    expect(blocks).toEqual(CHAIN)
    expect(notes).toEqual([
      '20 × rev*.dat (undo data), 1.raw, 2.raw, 3.raw, 4.raw, 5.raw, 2 more: left out, only blk*.dat hold blocks',
    ])
  })

  it.each([
    ['zeros that the file system has made', Buffer.alloc(100_000)],
    ['zeros that were obfuscated, too', undefined],
    ['nothing', Buffer.alloc(0)],
  ])('is read when it is obfuscated, its files ending in %s', (_what, padding) => {
    const end = framed(CHAIN).length
    folder.put(
      'blk00000.dat',
      obfuscate(framed(CHAIN), KEY),
      padding ?? obfuscate(Buffer.alloc(100_000), KEY, end),
    )
    folder.put('blk00001.dat', Buffer.alloc(1000))
    folder.put('blk00002.dat')
    folder.put('xor.dat', KEY)
    const { blocks, notes } = read(folder.path)
    expect(blocks).toEqual(CHAIN)
    expect(notes).toEqual([expect.stringMatching(/obfuscated: read with the key in xor.dat/)])
  })

  it('gives its key to one file that is named alone', () => {
    folder.put('xor.dat', KEY)
    expect(read(folder.put('blk00007.dat', obfuscate(framed(CHAIN), KEY))).blocks).toEqual(CHAIN)
  })

  it.each(NETWORKS)('may be of %s', (network) => {
    folder.put('blk00000.dat', framed(CHAIN, MAGIC[network]))
    expect(openBlockSet(folder.path).network).toBe(network)
    expect(read(folder.path).blocks).toEqual(CHAIN)
  })

  it('comes in the order of its chain, whatever the order in its files', () => {
    folder.put('blk00000.dat', framed([CHAIN[0]!, CHAIN[3]!, CHAIN[2]!, CHAIN[5]!]))
    folder.put('blk00001.dat', framed([CHAIN[4]!, CHAIN[1]!]))
    expect(read(folder.path)).toEqual({ blocks: CHAIN, notes: [] })
  })

  it('leaves out blocks that are stale, orphaned or there already, and says so', () => {
    const stale = smallChain(2, hashOf(CHAIN[1]!), 100)
    const orphan = smallBlock(Buffer.alloc(32, 7), 200)
    folder.put('blk00000.dat', framed([...CHAIN.slice(0, 2), ...stale, orphan, ...CHAIN.slice(2), CHAIN[3]!]))
    expect(read(folder.path)).toEqual({
      blocks: CHAIN,
      notes: [
        'blk00000.dat: 1 block met before, left out',
        '2 blocks left out: stale, another branch of the chain has more work',
        '1 block left out: orphaned, what they build on is not in the folder',
      ],
    })
  })

  it('of one file alone serves all pieces of the chain, for the rest is in other files', () => {
    const path = folder.put('blk00042.dat', framed([CHAIN[4]!, CHAIN[1]!, CHAIN[5]!, CHAIN[0]!]))
    expect(read(path)).toEqual({ blocks: [CHAIN[4], CHAIN[5], CHAIN[0], CHAIN[1]], notes: [] })
  })

  it('that is larger than memory is served from its begin, and says so', () => {
    folder.put('blk00000.dat', framed(CHAIN.slice(0, 3)))
    folder.put('blk00001.dat', framed(CHAIN.slice(3)))
    const size = CHAIN[0]!.length
    const set = openBlockFiles(folder.path, 4 * size)
    expect(Array.from(set.blocks(), (block) => Buffer.from(block))).toEqual(CHAIN.slice(0, 4))
    expect(set.notes).toEqual([
      `blk00001.dat: left out from byte ${size + 16} on, with all files after it: a set is served from memory, ${4 * size} bytes at most`,
    ])
  })
})

describe('a path that holds no blocks as it is', () => {
  const cut = framed(CHAIN).subarray(0, -10)
  const length = (bytes: number) => {
    const data = framed(CHAIN.slice(0, 1))
    data.writeUInt32LE(bytes, 4)
    return data
  }

  it.each<[what: string, files: Record<string, Uint8Array>, message: RegExp]>([
    [
      'a last block that is cut',
      { 'blk00000.dat': cut },
      /blk00000\.dat, record at byte \d+: \d+ bytes announced, the file ends after \d+: .*copy it again while the node is stopped/,
    ],
    [
      'a block over 4 000 000 bytes',
      { 'blk00000.dat': length(4_000_001) },
      /record at byte 0: 4000001 bytes announced, a block has 81 to 4000000: .*copy it again/,
    ],
    ['a block of no bytes', { 'blk00000.dat': length(0) }, /record at byte 0: 0 bytes announced/],
    [
      'garbage between blocks',
      { 'blk00000.dat': Buffer.concat([framed(CHAIN.slice(0, 1)), Buffer.from('garbage')]) },
      /record at byte \d\d+: magic 67617262 \(no network known here\) after the last whole block: .*copy it again/,
    ],
    [
      'a block that is filled with zeros',
      { 'blk00000.dat': Buffer.concat([framed(CHAIN).subarray(0, -40), Buffer.alloc(40)]) },
      /record at byte \d+: .*copy it again/,
    ],
    [
      'obfuscated files without their key',
      { 'blk00000.dat': obfuscate(framed(CHAIN), KEY) },
      /record at byte 0: magic .*obfuscates.*copy its xor\.dat into the same folder/,
    ],
    [
      'the key of another node',
      { 'blk00000.dat': obfuscate(framed(CHAIN), KEY), 'xor.dat': OTHER_KEY },
      /magic .* behind the obfuscation key in xor\.dat: copy xor\.dat anew/,
    ],
    [
      'a key for files that are not obfuscated',
      { 'blk00000.dat': framed(CHAIN), 'xor.dat': KEY },
      /magic fabfb5da \(regtest\), not obfuscated.*take it away/,
    ],
    [
      'a key that is cut',
      { 'blk00000.dat': framed(CHAIN), 'xor.dat': KEY.subarray(0, 5) },
      /xor\.dat: 5 bytes, a key has 8: copy the file anew/,
    ],
    [
      'files of two networks',
      { 'blk00000.dat': framed(CHAIN), 'blk00001.dat': framed(CHAIN, MAGIC.signet) },
      /blk00001\.dat, record at byte 0: magic 0a03cf40 \(signet\) in a set of regtest: .*folder of their own/,
    ],
    ['space only', { 'blk00000.dat': Buffer.alloc(1000) }, /holds no blocks yet/],
    [
      'a large file of anything',
      { 'a.dat': Buffer.alloc(4_000_001, 'x') },
      /4000001 bytes of at most 4000000/,
    ],
  ])('%s', (_what, files, message) => {
    for (const [name, data] of Object.entries(files)) folder.put(name, data)
    expect(() => read(folder.path)).toThrow(BenchError)
    expect(() => read(folder.path)).toThrow(message)
  })

  it('a file that is beside blocks', () => {
    const undo = folder.put('rev00003.dat', Buffer.alloc(40))
    expect(() => read(undo)).toThrow(/undo data and no blocks: name the file blk00003\.dat/)
    const key = folder.put('xor.dat', KEY)
    expect(() => read(key)).toThrow(
      `${key} holds the key of the files beside it: name the folder ${folder.path}`,
    )
  })

  it("a node's data folder", () => {
    mkdirSync(join(folder.path, 'blocks'))
    folder.put('peers.dat', Buffer.alloc(300, 1))
    folder.put('blocks/blk00000.dat', framed(CHAIN))
    expect(() => read(folder.path)).toThrow(`data folder: name its blocks, ${join(folder.path, 'blocks')}`)
  })

  it('links to nowhere and to themselves, and what is no file', () => {
    symlinkSync(join(folder.path, 'moved'), join(folder.path, 'blk00000.dat'))
    expect(() => read(folder.path)).toThrow(BenchError)
    expect(() => read(folder.path)).toThrow(/blk00000\.dat: ENOENT/)
    const loop = join(folder.path, 'loop')
    symlinkSync(loop, loop)
    expect(() => read(loop)).toThrow(UsageError)
    expect(() => read(loop)).toThrow(/ELOOP/)
    const pipe = join(folder.path, 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(() => read(pipe)).toThrow(/neither a file nor a directory/)
  })
})
