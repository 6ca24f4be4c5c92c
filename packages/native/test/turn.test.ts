import { type ConnectionId, Handlers } from '@sockman/core'
import { expect, test } from 'vitest'
import { Connections, State } from '../src/connections'
import { Turn } from '../src/turn'

function turnOf(slots: number) {
  const connections = new Connections()
  const ids = Array.from({ length: slots }, (_, slot) => connections.add(slot, State.open, new Handlers({})))
  const native = { rings: 0, ring: () => void native.rings++ }
  return { native, connections, ids, turn: new Turn(native as never, connections) }
}

/** All that is due, the first first; nothing of it is due any more. */
function settleAll(turn: Turn, connections: Connections): ConnectionId[] {
  const ids: ConnectionId[] = []
  for (let id = turn.firstDue; id !== undefined; id = turn.firstDue) {
    ids.push(id)
    turn.settleFirst(connections.find(id))
  }
  return ids
}

test('asks for a batch outside of one, once per connection until it is settled', () => {
  const { native, connections, ids, turn } = turnOf(2)
  turn.startWith(0)
  turn.startWith(0)
  turn.startWith(1)
  expect(native.rings).toBe(2)
  expect(settleAll(turn, connections)).toEqual([ids[0], ids[1]])
  expect(turn.due).toBe(0)
  turn.startWith(0)
  expect(native.rings).toBe(3)
  expect(settleAll(turn, connections)).toEqual([ids[0]])
})

test('inside a batch it asks for none: the batch sees to it at its end', () => {
  const { native, turn } = turnOf(1)
  turn.inBatch = true
  turn.startWith(0)
  expect(native.rings).toBe(0)
  expect(turn.due).toBe(1)
})

test('what is postponed is still due, behind what became due meanwhile', () => {
  const { turn, connections, ids } = turnOf(3)
  turn.startWith(0)
  turn.startWith(1)
  turn.startWith(2)
  turn.postponeFirst()
  turn.startWith(0)
  expect(settleAll(turn, connections)).toEqual([ids[1], ids[2], ids[0]])
})

test('what was due for a connection that is gone is not due for the next one in its slot', () => {
  const { turn, ids, connections } = turnOf(1)
  turn.startWith(0)
  connections.remove(0)
  const next = connections.add(0, State.open, new Handlers({}))
  expect(connections.find(turn.firstDue!)).toBe(-1)
  turn.settleFirst(-1)
  turn.startWith(0)
  expect(settleAll(turn, connections)).toEqual([next])
  expect(next).not.toBe(ids[0])
})

test('200 000 connections are due at once, and none is lost (C82)', () => {
  const { turn, connections, ids } = turnOf(200_000)
  for (let slot = 0; slot < ids.length; slot++) turn.startWith(slot)
  for (let n = 0; n < 1000; n++) turn.postponeFirst()
  expect(settleAll(turn, connections)).toEqual([...ids.slice(1000), ...ids.slice(0, 1000)])
})
