import { describe, expect, it } from 'vitest'
import { chainsOf, type Linked } from '../src/blocks/chain-order'

/** @param bits the less, the more work */
function block(hash: string, previous: string, bits = 0x207fffff): Linked {
  const header = Buffer.alloc(80)
  header.writeUInt32LE(bits, 72)
  return { hash, previous, header }
}

const hashes = (blocks: readonly Linked[]) =>
  chainsOf(blocks).map((chain) => chain.blocks.map(({ hash }) => hash).join(''))

describe('chainsOf', () => {
  it('takes the branch with the most work, which need not be the longest', () => {
    const hard = 0x1f7fffff
    expect(hashes([block('a', '-'), block('b', 'a'), block('c', 'b'), block('B', 'a', hard)])).toEqual(['aB'])
  })

  it('takes of equal branches the one that was there first', () => {
    expect(
      hashes([block('a', '-'), block('c', 'b'), block('b', 'a'), block('C', 'B'), block('B', 'a')]),
    ).toEqual(['abc'])
    expect(
      hashes([block('a', '-'), block('C', 'B'), block('b', 'a'), block('c', 'b'), block('B', 'a')]),
    ).toEqual(['aBC'])
  })

  it('begins a chain where the previous block is missing', () => {
    expect(hashes([block('x', 'w'), block('a', '-'), block('b', 'a'), block('y', 'x')])).toEqual(['xy', 'ab'])
  })

  it('orders more blocks than a stack has room for', () => {
    const blocks = Array.from({ length: 100_000 }, (_, at) => block(String(at), String(at - 1))).reverse()
    const [{ blocks: chain, stale } = { blocks: [], stale: -1 }] = chainsOf(blocks)
    expect({ first: chain[0]!.hash, length: chain.length, stale }).toEqual({
      first: '0',
      length: 100_000,
      stale: 0,
    })
  })
})
