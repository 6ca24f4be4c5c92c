import type { ConnectionId } from '@sockman/core'
import { Handlers } from '@sockman/core'
import { expect, test } from 'vitest'
import { Connections, Flag, State } from '../src/connections'

const handlers = new Handlers({})

test('an id is a positive safe integer that finds its slot', () => {
  const connections = new Connections()
  for (const slot of [0, 1, 1023, 2 ** 20 - 1]) {
    const id = connections.add(slot, State.open, handlers)
    expect(Number.isSafeInteger(id) && id > 0).toBe(true)
    expect(connections.find(id)).toBe(slot)
  }
  expect(connections.live).toBe(4)
})

test('a slot used again has a new id, and nothing of the old connection', () => {
  const connections = new Connections()
  const first = connections.add(5, State.open, handlers)
  connections.flags[5] = Flag.paused | Flag.shutdown
  connections.queued[5] = 100
  connections.remove(5)
  expect(connections.find(first)).toBe(-1)
  const second = connections.add(5, State.connecting, handlers)
  expect(second).not.toBe(first)
  expect(connections.find(first)).toBe(-1)
  expect(connections.find(second)).toBe(5)
  expect([connections.flags[5], connections.queued[5]]).toEqual([0, 0])
})

test('no other number finds a slot', () => {
  const connections = new Connections()
  const id = connections.add(0, State.open, handlers)
  for (const other of [0, -1, -id, 1, id + 1, id + 0.5, id * 2, NaN, Infinity, 2 ** 53]) {
    expect(connections.find(other as ConnectionId)).toBe(-1)
  }
})

test('what was stored survives growth', () => {
  const connections = new Connections()
  const id = connections.add(3, State.open, handlers)
  connections.flags[3] = Flag.awaitsReady
  connections.queued[3] = 2 ** 40
  connections.add(5000, State.open, handlers)
  expect(connections.find(id)).toBe(3)
  expect([connections.flags[3], connections.queued[3]]).toEqual([Flag.awaitsReady, 2 ** 40])
  connections.remove(3)
  expect(connections.add(3, State.open, handlers)).toBe(id + 2 ** 20)
})

test('findOpen passes over what its owner has closed, and find does not', () => {
  const connections = new Connections()
  const id = connections.add(9, State.open, handlers)
  for (const state of [State.connecting, State.open, State.failed]) {
    connections.states[9] = state
    expect(connections.findOpen(id)).toBe(9)
  }
  for (const state of [State.closing, State.refused, State.aborted]) {
    connections.states[9] = state
    expect(connections.findOpen(id)).toBe(-1)
    expect(connections.find(id)).toBe(9)
  }
})

test('slots() gives those in use', () => {
  const connections = new Connections()
  for (const slot of [4, 0, 70]) connections.add(slot, State.open, handlers)
  connections.remove(4)
  expect([...connections.slots()]).toEqual([0, 70])
  expect(connections.live).toBe(2)
})
