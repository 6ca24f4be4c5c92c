import { expect, test } from 'vitest'
import { Fifo } from '../src/fifo'

test('the first in is the first out', () => {
  const fifo = new Fifo<string>()
  expect([fifo.length, fifo.first, fifo.take()]).toEqual([0, undefined, undefined])
  fifo.add('a')
  fifo.add('b')
  expect([fifo.length, fifo.first, fifo.take()]).toEqual([2, 'a', 'a'])
  fifo.add('c')
  expect([...fifo]).toEqual(['b', 'c'])
  fifo.clear()
  expect([fifo.length, fifo.take(), ...fifo]).toEqual([0, undefined])
})

test('as an array of which elements are shifted, for whatever order of calls', () => {
  const fifo = new Fifo<number>()
  const array: number[] = []
  let seed = 1
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed % below
  }
  for (let round = 0; round < 100; round++) {
    for (let n = random(3000); n > 0; n--) {
      fifo.add(n)
      array.push(n)
    }
    for (let n = random(3000); n > 0; n--) expect(fifo.take()).toBe(array.shift())
    expect(fifo.length).toBe(array.length)
    expect(fifo.first).toBe(array[0])
  }
  expect([...fifo]).toEqual(array)
})
