import { Handlers } from '@sockman/core'
import { expect, test } from 'vitest'
import { Connections, State } from '../src/connections'
import { Turn } from '../src/turn'

function turnOf(slots: number) {
  const connections = new Connections()
  for (let slot = 0; slot < slots; slot++) connections.add(slot, State.open, new Handlers({}))
  const native = { rings: 0, ring: () => void native.rings++ }
  return { native, turn: new Turn(native as never, connections) }
}

test('asks for a batch outside of one, once per slot until it is settled', () => {
  const { native, turn } = turnOf(2)
  turn.startWith(0)
  turn.startWith(0)
  turn.startWith(1)
  expect(native.rings).toBe(2)
  expect(turn.take()).toEqual([0, 1])
  turn.startWith(0)
  expect(turn.anyDue).toBe(false)
  turn.settle(0)
  turn.startWith(0)
  expect(native.rings).toBe(3)
  expect(turn.take()).toEqual([0])
})

test('inside a batch it asks for none: the batch sees to it at its end', () => {
  const { native, turn } = turnOf(1)
  turn.inBatch = true
  turn.startWith(0)
  expect(native.rings).toBe(0)
  expect(turn.anyDue).toBe(true)
})

test('what is put back follows what became due meanwhile', () => {
  const { turn } = turnOf(3)
  turn.startWith(0)
  turn.startWith(1)
  const slots = turn.take()
  turn.startWith(2)
  turn.putBack(slots)
  expect(turn.take()).toEqual([2, 0, 1])
})
