import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBlockSet } from '../src/blocks/block-set'
import { syntheticLarge } from '../src/blocks/synthetic'
import { BenchError, UsageError } from '../src/errors'
import { MAGIC } from '../src/wire/network'
import { GENESIS } from './genesis'
import { Folder, frame } from './node-folder'

/** `bzip2 -9` of the framed genesis block. */
const GENESIS_BZ2 = Buffer.from(
  'QlpoOTFBWSZTWfxbZiUAAG///+YoUC/A/Nh5qn4mhb/v/zyAUoAAiVxV1SzAASFCErmjsAC7YKhJp5E3qmmEyGJiZMAAJgENNGCYjAJmnqGmgTepNtUOHqAAAAAaAAAZAGhoGmQAAAAAAqn6UTAmAAAAAAAAATAAAAAATALwxDABAAgARD4ACAQDGQBAaI1Bklzlv2W581fUo3GuAC7G33Qx2IRCikWSbAKsvPOCJC5nww4gdwSkAbx3AcEm8qbNDGg8Rx0u3RXPDJqyoZBDpVEY953hM0swlCdRizZGLKedfb2nGL8LlBBfVnngCcAswwIFc3nBkROB2KTqAk4jSbUFnVwQ1qMqKGr6Fx4a58FcgOPT3pJElbvNoOzy6Wo3si1/QX7j4S5b0xK5EigBNMK9Sf4u5IpwoSH4tsxK',
  'base64',
)

let folder: Folder
beforeEach(() => {
  folder = new Folder()
})
afterEach(() => folder[Symbol.dispose]())

const put = (name: string, ...parts: Uint8Array[]) => folder.put(name, ...parts)
const read = (path: string) => [...openBlockSet(path).blocks()].map((block) => Buffer.from(block))
const [regtestBlock] = syntheticLarge().blocks()

describe('block files', () => {
  it('reads a raw, a framed and a compressed file', () => {
    expect(read(put('a.raw', GENESIS))).toEqual([GENESIS])
    expect(read(put('b.dat', frame(GENESIS)))).toEqual([GENESIS])
    expect(read(put('c.dat.bz2', GENESIS_BZ2))).toEqual([GENESIS])
  })

  it('reads the padding of blk files', () => {
    expect(read(put('blk00000.dat', frame(GENESIS), Buffer.alloc(1000)))).toEqual([GENESIS])
  })

  it('takes the network from framed files', () => {
    const set = openBlockSet(put('blk00000.dat', frame(regtestBlock!, MAGIC.regtest)))
    expect(set.network).toBe('regtest')
    expect([...set.blocks()]).toHaveLength(1)
    expect(openBlockSet(put('a.raw', GENESIS)).network).toBe('mainnet')
  })

  it('reads a directory in the order of names, says what it leaves out', () => {
    put('README.md', Buffer.from('no block'))
    put('b.raw', regtestBlock!)
    put('a.dat', frame(GENESIS))
    put('c.raw', GENESIS)
    const set = openBlockSet(folder.path)
    expect([...set.blocks()].map((block) => block.length)).toEqual([285, regtestBlock!.length])
    expect(set.notes).toHaveLength(2)
    expect(set.notes[0]).toMatch(/^README.md is left out/)
    expect(set.notes[1]).toMatch(/^c.raw: 1 block met before/)
  })

  it.each([
    ['truncated.raw', () => [GENESIS.subarray(0, 200)], /truncated\.raw: not a whole block/],
    ['long.raw', () => [GENESIS, Buffer.alloc(3)], /long\.raw: 3 bytes after the end/],
    ['empty.raw', () => [], /empty\.raw: not a whole block/],
    [
      'text.dat',
      () => [Buffer.from('hello, this is not a block, whatever its name says. '.repeat(9))],
      /text\.dat: not a/,
    ],
    ['work.raw', () => [Buffer.from(GENESIS).fill(0, 76, 80)], /work\.raw: .*target/],
    ['cut.dat', () => [frame(GENESIS).subarray(0, 250)], /cut\.dat, record at byte 0: 285 bytes announced/],
    ['tail.dat', () => [frame(GENESIS), Buffer.from([1, 2, 3])], /tail\.dat, record at byte 293: truncated/],
    [
      'mixed.dat',
      () => [frame(GENESIS), frame(regtestBlock!, MAGIC.regtest)],
      /mixed\.dat, record at byte 293: magic fabfb5da/,
    ],
    ['broken.bz2', () => [GENESIS_BZ2.subarray(0, 100)], /broken\.bz2/],
  ])('names what is wrong with %s', (name, parts, message) => {
    const path = put(name, ...parts())
    expect(() => read(path)).toThrow(BenchError)
    expect(() => read(path)).toThrow(message)
  })

  it('names a path that is not there and a directory without blocks', () => {
    expect(() => openBlockSet(join(folder.path, 'none'))).toThrow(UsageError)
    expect(() => openBlockSet(folder.path)).toThrow(/no block file/)
  })
})
