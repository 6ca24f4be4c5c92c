import { expect, test } from 'vitest'
import { Cork, corkSize } from '../src/cork'

/** As `cork.h` has it. */
const ENTRIES = 1024
const HEADER = ENTRIES * 16

interface Sent {
  readonly slot: number
  readonly bytes: number[]
  readonly flags: number
}

/** A cork, and what the native half reads out of its memory at each flush. */
function corked(size: number) {
  const memory = new ArrayBuffer(HEADER + size)
  const cork = new Cork(memory)
  const flushes: Sent[][] = []
  const native = {
    behind: 0,
    flush(count: number): number {
      const entries = new Int32Array(memory, 0, count * 4)
      const sent = Array.from({ length: count }, (_, n) => {
        const [slot, offset, length, flags] = entries.subarray(n * 4, n * 4 + 4) as unknown as number[]
        return { slot: slot!, bytes: [...new Uint8Array(memory, HEADER + offset!, length)], flags: flags! }
      })
      flushes.push(sent)
      return native.behind
    },
  }
  const behind: number[] = []
  const flush = (): void => cork.flush(native as never, (slot) => behind.push(slot))
  const add = (slot: number, data: Uint8Array, flags: number): void =>
    cork.add(slot, data, data.length, flags)
  return { cork, add, native, flushes, behind, flush }
}

test('hands sends over in order; those of one connection in a row are one entry, with the last flags', () => {
  const { cork, flushes, flush, add } = corked(100)
  add(7, Uint8Array.of(1, 2), 1)
  add(7, Uint8Array.of(3), 0)
  add(8, Uint8Array.of(4), 0)
  add(7, Uint8Array.of(5, 6), 1)
  expect(cork.used).toBe(6)
  flush()
  expect(flushes).toEqual([
    [
      { slot: 7, bytes: [1, 2, 3], flags: 0 },
      { slot: 8, bytes: [4], flags: 0 },
      { slot: 7, bytes: [5, 6], flags: 1 },
    ],
  ])
})

test('a flush leaves nothing behind, and an empty cork is not flushed', () => {
  const { cork, flushes, flush, add } = corked(100)
  flush()
  expect(flushes).toEqual([])
  add(1, Uint8Array.of(1), 0)
  flush()
  expect(cork.used).toBe(0)
  flush()
  add(1, Uint8Array.of(2), 0)
  flush()
  expect(flushes.map(([first]) => first!.bytes)).toEqual([[1], [2]])
})

test('is full when its bytes or its entries are', () => {
  const { cork, flush, add } = corked(2000)
  expect(cork.fits(2000)).toBe(true)
  expect(cork.fits(2001)).toBe(false)
  for (let slot = 0; slot < ENTRIES; slot++) {
    expect(cork.fits(1)).toBe(true)
    add(slot, Uint8Array.of(1), 0)
  }
  expect(cork.fits(1)).toBe(false)
  flush()
  expect(cork.fits(2000)).toBe(true)
})

test('names the connections only when one of them is behind', () => {
  const { native, behind, flush, add } = corked(100)
  add(1, Uint8Array.of(1), 0)
  flush()
  expect(behind).toEqual([])
  native.behind = 1
  add(1, Uint8Array.of(1), 0)
  add(2, Uint8Array.of(1), 0)
  flush()
  expect(behind).toEqual([1, 2])
})

test('its memory takes any send up to copyThreshold', () => {
  for (const threshold of [0, 16 * 1024, 1024 * 1024]) {
    expect(corked(corkSize(threshold)).cork.fits(threshold)).toBe(true)
  }
})
