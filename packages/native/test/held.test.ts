import { expect, test } from 'vitest'
import { HeldData } from '../src/held'

test('gives back copies, in order, of what it was given', () => {
  const held = new HeldData()
  const view = Uint8Array.of(1, 2)
  held.add(4, view)
  view.fill(9)
  held.add(4, Uint8Array.of(3))
  expect(held.take(4)).toEqual(Buffer.of(1, 2))
  expect(held.take(4)).toEqual(Buffer.of(3))
  expect(held.take(4)).toBeUndefined()
})

test('counts what waits, of each connection and of all', () => {
  const held = new HeldData()
  held.add(1, new Uint8Array(10))
  held.add(2, new Uint8Array(5))
  held.add(1, new Uint8Array(1))
  expect([held.bytes, held.bytesOf(1), held.bytesOf(2), held.bytesOf(3)]).toEqual([16, 11, 5, 0])
  held.take(1)
  expect([held.bytes, held.bytesOf(1), held.has(1), held.has(3)]).toEqual([6, 1, true, false])
  held.take(1)
  expect([held.bytes, held.has(1), held.has(2)]).toEqual([5, false, true])
})

test('settle answers what was delivered, once', () => {
  const held = new HeldData()
  expect(held.settle(1)).toBe(0)
  held.add(1, new Uint8Array(10))
  held.add(1, new Uint8Array(20))
  held.take(1)
  held.take(1)
  expect(held.settle(1)).toBe(30)
  expect(held.settle(1)).toBe(0)
})

test('drop answers what was never delivered, and forgets it', () => {
  const held = new HeldData()
  held.add(1, new Uint8Array(10))
  held.add(1, new Uint8Array(20))
  held.add(2, new Uint8Array(3))
  held.take(1)
  expect(held.drop(1)).toBe(20)
  expect(held.drop(1)).toBe(0)
  expect(held.take(1)).toBeUndefined()
  expect(held.bytes).toBe(3)
})
