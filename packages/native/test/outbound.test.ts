import { AbortWatch, SockAddr } from '@sockman/core'
import { expect, test } from 'vitest'
import { Outbound } from '../src/outbound'

const target = SockAddr.parse('127.0.0.1:8333')

test('the target lasts until remove', () => {
  const outbound = new Outbound()
  outbound.add(1, target, undefined)
  outbound.unwatch(1)
  expect(outbound.target(1)).toBe(target)
  expect(outbound.target(2)).toBeUndefined()
  expect(outbound.remove(1)).toEqual({ target, watch: undefined })
  expect(outbound.target(1)).toBeUndefined()
})

test('the watch lasts until unwatch, which ends it, or remove, which does not', () => {
  const outbound = new Outbound()
  const controller = new AbortController()
  let aborts = 0
  for (const slot of [1, 2]) {
    const watch = new AbortWatch(controller.signal)
    watch.begin(() => aborts++)
    outbound.add(slot, target, watch)
  }
  outbound.unwatch(1)
  expect(outbound.remove(1).watch).toBeUndefined()
  const { watch } = outbound.remove(2)
  expect(outbound.remove(2)).toEqual({ target: undefined, watch: undefined })
  controller.abort()
  expect(aborts).toBe(1)
  watch!.end()
})
