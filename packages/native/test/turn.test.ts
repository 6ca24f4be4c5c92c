import { Handlers } from '@sockman/core'
import { expect, test } from 'vitest'
import { Connections, State } from '../src/connections'
import { Turn } from '../src/turn'

function turnOf(slots: number) {
  const connections = new Connections()
  const ids = Array.from({ length: slots }, (_, slot) => connections.add(slot, State.open, new Handlers({})))
  const native = { rings: 0, ring: () => void native.rings++ }
  return { native, connections, ids, turn: new Turn(native as never, connections) }
}

test('asks for a batch outside of one, once per connection until it is settled', () => {
  const { native, ids, turn } = turnOf(2)
  turn.startWith(0)
  turn.startWith(0)
  turn.startWith(1)
  expect(native.rings).toBe(2)
  expect(turn.take()).toEqual([ids[0], ids[1]])
  turn.startWith(0)
  expect(turn.anyDue).toBe(false)
  turn.settle(0)
  turn.startWith(0)
  expect(native.rings).toBe(3)
  expect(turn.take()).toEqual([ids[0]])
})

test('inside a batch it asks for none: the batch sees to it at its end', () => {
  const { native, turn } = turnOf(1)
  turn.inBatch = true
  turn.startWith(0)
  expect(native.rings).toBe(0)
  expect(turn.anyDue).toBe(true)
})

test('what is put back follows what became due meanwhile', () => {
  const { turn, ids } = turnOf(3)
  turn.startWith(0)
  turn.startWith(1)
  const taken = turn.take()
  turn.startWith(2)
  turn.putBack(taken)
  expect(turn.take()).toEqual([ids[2], ids[0], ids[1]])
})

test('what was due for a connection that is gone is not due for the next one in its slot', () => {
  const { turn, ids, connections } = turnOf(1)
  turn.startWith(0)
  connections.remove(0)
  const next = connections.add(0, State.open, new Handlers({}))
  expect(turn.take().map((id) => connections.find(id))).toEqual([-1])
  turn.startWith(0)
  expect(turn.take()).toEqual([next])
  expect(next).not.toBe(ids[0])
})
