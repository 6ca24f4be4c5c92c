import { expect, test } from 'vitest'
import { Event, EventRing, Field } from '../src/event-ring'

/** Words of `EventRing::Shared` in `event_ring.h`. */
const HEAD = 0
const TAIL = 16
const STARVED = 32
const RECORDS = 48
const SIZE = 4096

/** A ring and its producer. */
function shared() {
  const memory = new ArrayBuffer((RECORDS + SIZE * 8) * 4)
  const words = new Int32Array(memory)
  let tail = 0
  const ring = new EventRing(memory)
  const push = (slot: number): void => {
    words.set([Event.data, slot], RECORDS + (tail & (SIZE - 1)) * 8)
    tail = (tail + 1) | 0
    Atomics.store(words, TAIL, tail)
  }
  const takeSlot = (): number => ring.words[ring.at(ring.take()) + Field.slot]!
  return { ring, words, push, takeSlot }
}

test('records come in the order they were pushed', () => {
  const { ring, push, takeSlot } = shared()
  expect(ring.waiting).toBe(0)
  for (const slot of [3, 1, 2]) push(slot)
  expect(ring.waiting).toBe(3)
  expect([takeSlot(), takeSlot(), takeSlot()]).toEqual([3, 1, 2])
  expect(ring.waiting).toBe(0)
})

test('a record is given back by release, not by being taken', () => {
  const { ring, words, push } = shared()
  push(1)
  push(2)
  ring.take()
  expect(words[HEAD]).toBe(0)
  ring.release()
  expect(words[HEAD]).toBe(1)
  ring.take()
  ring.release()
  expect(words[HEAD]).toBe(2)
})

test('release says whether the engine waits for it', () => {
  const { ring, words, push } = shared()
  push(1)
  ring.take()
  expect(ring.release()).toBe(false)
  words[STARVED] = 1
  expect(ring.release()).toBe(true)
})

test('goes round, full each time', () => {
  const { ring, push, takeSlot } = shared()
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < SIZE; n++) push(round * SIZE + n)
    expect(ring.waiting).toBe(SIZE)
    for (let n = 0; n < SIZE; n++) expect(takeSlot()).toBe(round * SIZE + n)
    ring.release()
  }
})

test('positions wrap to negative ones after 2^31 records, and have their places all the same', () => {
  const { ring } = shared()
  expect(ring.at(-(2 ** 31))).toBe(ring.at(0))
  expect(ring.at(-1)).toBe(ring.at(SIZE - 1))
  expect(ring.at(2 ** 31 - 1)).toBe(ring.at(SIZE - 1))
})
