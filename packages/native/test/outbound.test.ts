import { getEventListeners } from 'node:events'
import { SockAddr } from '@sockman/core'
import { expect, test } from 'vitest'
import { Outbound } from '../src/outbound'

test('an abort is told once, and its listener does not stay', () => {
  const outbound = new Outbound()
  const controller = new AbortController()
  let aborts = 0
  outbound.watch(1, controller.signal, () => aborts++)
  expect(getEventListeners(controller.signal, 'abort').length).toBe(1)
  controller.abort()
  expect(aborts).toBe(1)
  expect(getEventListeners(controller.signal, 'abort').length).toBe(0)
})

test('a signal that is aborted already is told at once', () => {
  const outbound = new Outbound()
  let aborts = 0
  outbound.watch(1, AbortSignal.abort(), () => aborts++)
  expect(aborts).toBe(1)
})

test('after unwatch or remove nothing listens, and nobody is told', () => {
  const outbound = new Outbound()
  const controller = new AbortController()
  const fail = (): void => {
    throw new Error('told')
  }
  for (let slot = 0; slot < 20; slot++) outbound.watch(slot, controller.signal, fail)
  for (let slot = 0; slot < 10; slot++) outbound.unwatch(slot)
  for (let slot = 10; slot < 20; slot++) outbound.remove(slot)
  expect(getEventListeners(controller.signal, 'abort').length).toBe(0)
  controller.abort()
})

test('the target lasts until remove', () => {
  const outbound = new Outbound()
  const target = SockAddr.parse('127.0.0.1:8333')
  outbound.add(1, target)
  outbound.unwatch(1)
  expect(outbound.target(1)).toBe(target)
  expect(outbound.target(2)).toBeUndefined()
  outbound.remove(1)
  expect(outbound.target(1)).toBeUndefined()
})
