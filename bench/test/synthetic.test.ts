import { Block } from 'bitcoinjs-lib'
import { describe, expect, it } from 'vitest'
import { blockLength, meetsTarget, targetOf } from '../src/blocks/block'
import { REGTEST_GENESIS, syntheticLarge } from '../src/blocks/synthetic'
import { displayHash, sha256d } from '../src/wire/hash'
import { GENESIS } from './genesis'

describe('synthetic:large', () => {
  it('is a chain of 128 blocks of 1 to 2.2 MB from regtest genesis, with proof of work', () => {
    expect(displayHash(REGTEST_GENESIS)).toBe(
      '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
    )
    let previous: Uint8Array = REGTEST_GENESIS
    let count = 0
    for (const block of syntheticLarge().blocks()) {
      const header = block.subarray(0, 80)
      expect(Buffer.from(header.subarray(4, 36)).equals(previous)).toBe(true)
      expect(Buffer.from(header).readUInt32LE(72)).toBe(0x207fffff)
      expect(meetsTarget(header)).toBe(true)
      expect(blockLength(block)).toBe(block.length)
      expect(block.length).toBeGreaterThan(980_000)
      expect(block.length).toBeLessThan(2_200_000)
      previous = sha256d(header)
      count++
    }
    expect(count).toBe(128)
  })

  it('is the same every time', () => {
    const [first, again] = [syntheticLarge(), syntheticLarge()].map((set) => {
      const [block] = set.blocks()
      return sha256d(block!)
    })
    expect(first).toEqual(again)
  })

  it('satisfies bitcoinjs-lib: merkle root, witness commitment, proof of work, weight', () => {
    let checked = 0
    for (const bytes of syntheticLarge().blocks()) {
      // The first and the last: the library takes its time.
      if (checked++ % 127 !== 0) continue
      const block = Block.fromBuffer(Buffer.from(bytes))
      expect(block.checkTxRoots()).toBe(true)
      expect(block.checkProofOfWork()).toBe(true)
      expect(block.hasWitnessCommit()).toBe(true)
      expect(block.weight()).toBeLessThanOrEqual(4_000_000)
      expect(new Set(block.transactions!.map((transaction) => transaction.getId())).size).toBe(
        block.transactions!.length,
      )
    }
  })
})

describe('blocks', () => {
  it('knows the difficulty-1 target', () => {
    expect(targetOf(0x1d00ffff)).toBe(0xffffn << 208n)
    expect(targetOf(0x03123456)).toBe(0x123456n)
  })

  it('measures and believes the genesis block, and doubts an edited one', () => {
    expect(blockLength(Buffer.concat([GENESIS, Buffer.alloc(9)]))).toBe(285)
    expect(() => blockLength(GENESIS.subarray(0, 284))).toThrow(RangeError)
    expect(meetsTarget(GENESIS.subarray(0, 80))).toBe(true)
    const edited = Buffer.from(GENESIS.subarray(0, 80))
    edited[79]! ^= 1
    expect(meetsTarget(edited)).toBe(false)
  })
})
