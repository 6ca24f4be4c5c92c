import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { AbortWatch } from '../src/abort-watch'

const listeners = ({ signal }: AbortController): number => getEventListeners(signal, 'abort').length

test('an abort is told once, and its listener does not stay', () => {
  const controller = new AbortController()
  let aborts = 0
  new AbortWatch(controller.signal).begin(() => aborts++)
  expect(listeners(controller)).toBe(1)
  controller.abort()
  expect(aborts).toBe(1)
  expect(listeners(controller)).toBe(0)
})

test('an abort before begin is told by begin', () => {
  const controller = new AbortController()
  const watches = [new AbortWatch(AbortSignal.abort()), new AbortWatch(controller.signal)]
  controller.abort()
  let aborts = 0
  for (const watch of watches) watch.begin(() => aborts++)
  expect(aborts).toBe(2)
})

test('after end nothing listens, and nobody is told, also when the listener could not be removed', () => {
  const controller = new AbortController()
  const fail = (): void => {
    throw new Error('told')
  }
  for (const begun of [false, true]) {
    const watch = new AbortWatch(controller.signal)
    if (begun) watch.begin(fail)
    watch.end()
    watch.end()
  }
  expect(listeners(controller)).toBe(0)
  controller.signal.removeEventListener = () => {}
  const watch = new AbortWatch(controller.signal)
  watch.begin(fail)
  watch.end()
  controller.abort()
})
