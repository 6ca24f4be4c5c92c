import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { channels, type WarningMessage } from '../src'

test.each([
  ['connection', 'sockman:connection'],
  ['listener', 'sockman:listener'],
  ['warning', 'sockman:warning'],
  ['selection', 'sockman:selection'],
] as const)('channels.%s is the channel %s of Node', (key, name) => {
  const heard: unknown[] = []
  const listen = (message: unknown): void => void heard.push(message)
  expect(channels[key].hasSubscribers).toBe(false)
  subscribe(name, listen)
  expect(channels[key].hasSubscribers).toBe(true)
  const message: WarningMessage = { backend: 'test', code: 'SOCKOPT', message: 'tried' }
  channels[key].publish(message as never)
  unsubscribe(name, listen)
  channels[key].publish(message as never)
  expect(heard).toEqual([message])
  expect(channels[key].hasSubscribers).toBe(false)
})
