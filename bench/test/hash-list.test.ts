import { describe, expect, it } from 'vitest'
import { HashList } from '../src/ibd/hash-list'
import { sha256d } from '../src/wire/hash'

const hash = (number: number) => sha256d(Buffer.from(String(number)))

describe('HashList', () => {
  it('holds every hash once and in order, beyond one chunk', () => {
    const list = new HashList()
    for (let number = 0; number < 40_000; number++) expect(list.push(hash(number))).toBe(true)
    for (const number of [0, 511, 16_383, 16_384, 39_999]) {
      expect(list.push(hash(number))).toBe(false)
      expect(list.at(number)).toEqual(hash(number))
    }
    expect(list.length).toBe(40_000)
  })

  it('tells hashes apart that begin with the same bytes', () => {
    const list = new HashList()
    for (let number = 0; number < 300; number++) {
      const similar = hash(number)
      similar.writeUInt32LE(1023, 0)
      expect(list.push(similar)).toBe(true)
      expect(list.push(similar)).toBe(false)
    }
  })
})
