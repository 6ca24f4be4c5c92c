import { describe, expect, test } from 'vitest'
import {
  checkEvents,
  resolveCloseOptions,
  resolveConnectionOptions,
  resolveConnectOptions,
  resolveListenOptions,
  resolveSockManOptions,
  type SockError,
} from '../src'

function code(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    return (error as SockError).code
  }
  return 'nothing was thrown'
}

test('defaults', () => {
  expect(resolveSockManOptions()).toEqual({
    receiveBlock: 262_144,
    receivePool: 4_194_304,
    receivePoolMax: 67_108_864,
    receiveWindow: 1_048_576,
    sendHighWater: 1_048_576,
    sendQueueMax: 67_108_864,
    sendTotalMax: 1_073_741_824,
    copyThreshold: 16_384,
    batchLimit: 1024,
    maxConnections: 0,
    receiveRateTotal: 0,
    sendRateTotal: 0,
    poison: false,
  })
  // What is undefined stays as the kernel has it.
  const connection = {
    events: undefined,
    tcp: {
      noDelay: true,
      keepAlive: undefined,
      keepAliveInterval: undefined,
      keepAliveCount: undefined,
      userTimeout: undefined,
    },
  }
  expect(resolveConnectionOptions()).toEqual(connection)
  const listen = { backlog: 511, reusePort: false, ipv6Only: true, admits: expect.any(Function) }
  expect(resolveListenOptions()).toEqual({ ...connection, ...listen })
  const probes = { keepAlive: 5000, keepAliveInterval: 1000, keepAliveCount: 10 }
  expect(resolveConnectionOptions({ keepAlive: 5000 }).tcp).toEqual({ ...connection.tcp, ...probes })
  expect(resolveConnectOptions()).toEqual({
    ...connection,
    timeout: 5000,
    signal: undefined,
    localAddress: undefined,
  })
  expect(resolveCloseOptions()).toEqual({ flush: false, timeout: 5000, reset: false })
})

test('a value that is given is kept, and the options are not changed', () => {
  const given = Object.freeze({
    drive: 'thread',
    receiveBlock: 8192,
    receivePool: 65_536,
    poison: true,
  } as const)
  expect(resolveSockManOptions(given)).toMatchObject({
    receiveBlock: 8192,
    receivePool: 65_536,
    poison: true,
  })
  const { signal } = new AbortController()
  const connect = resolveConnectOptions({ timeout: 0, signal, localAddress: '127.0.0.2:0' })
  expect(connect.signal).toBe(signal)
  expect(`${connect.localAddress}`).toBe('127.0.0.2:0')
})

test('receivePoolMax follows a larger receivePool', () => {
  expect(resolveSockManOptions({ receivePool: 128 << 20 }).receivePoolMax).toBe(128 << 20)
})

describe('refused', () => {
  const resolvers = {
    sockMan: resolveSockManOptions,
    connection: resolveConnectionOptions,
    listen: resolveListenOptions,
    connect: resolveConnectOptions,
    close: resolveCloseOptions,
  } as Record<string, (options: unknown) => unknown>

  test.each(Object.keys(resolvers))('%s: what is no object, and what is unknown', (name) => {
    const resolve = resolvers[name]!
    for (const options of [null, 1, 'text', true])
      expect(code(() => resolve(options))).toBe('ERR_INVALID_ARG_TYPE')
    expect(code(() => resolve({ nonsense: undefined }))).toBe('ERR_UNKNOWN_OPTION')
  })

  test.each([
    ['sockMan', { receiveBlock: 4095 }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { receiveBlock: 4096.5 }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { receiveBlock: '8192' }, 'ERR_INVALID_ARG_TYPE'],
    ['sockMan', { receiveBlock: null }, 'ERR_INVALID_ARG_TYPE'],
    ['sockMan', { receivePool: 2 ** 31 }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { receivePool: 300_000 }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { receivePool: 8 << 20, receivePoolMax: 4 << 20 }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { sendHighWater: -1 }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { sendQueueMax: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { batchLimit: 0 }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { maxConnections: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE'],
    ['sockMan', { poison: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['connection', { noDelay: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    ['connection', { keepAlive: 32_767_001 }, 'ERR_OUT_OF_RANGE'],
    ['connection', { keepAlive: 60 }, 'ERR_OUT_OF_RANGE'],
    ['connection', { keepAliveCount: 128 }, 'ERR_OUT_OF_RANGE'],
    ['connection', { events: { onData: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    ['connection', { events: null }, 'ERR_INVALID_ARG_TYPE'],
    ['listen', { backlog: 0 }, 'ERR_OUT_OF_RANGE'],
    ['listen', { backlog: 65_536 }, 'ERR_OUT_OF_RANGE'],
    ['listen', { timeout: 1 }, 'ERR_UNKNOWN_OPTION'],
    ['connect', { backlog: 1 }, 'ERR_UNKNOWN_OPTION'],
    ['connect', { timeout: -1 }, 'ERR_OUT_OF_RANGE'],
    ['connect', { timeout: 2 ** 31 }, 'ERR_OUT_OF_RANGE'],
    ['connect', { signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    ['connect', { localAddress: 'localhost:0' }, 'ERR_INVALID_ADDRESS'],
    ['close', { flush: 1 }, 'ERR_INVALID_ARG_TYPE'],
    ['close', { timeout: 0.5 }, 'ERR_OUT_OF_RANGE'],
  ])('%s %j: %s', (name, options, expected) => {
    expect(code(() => resolvers[name]!(options))).toBe(expected)
  })
})

test('a message names the option and the value', () => {
  expect(() => resolveSockManOptions({ batchLimit: -7 })).toThrow(/batchLimit.*-7/)
  expect(() => resolveSockManOptions({ batchLimmit: 1 } as object)).toThrow(/batchLimmit/)
})

test('checkEvents takes handlers, absent ones, and what else an object has', () => {
  checkEvents('events', {})
  checkEvents('events', { onData() {}, onEof: undefined, other: 1 })
  for (const events of [undefined, null, 1, 'text']) {
    expect(code(() => checkEvents('events', events))).toBe('ERR_INVALID_ARG_TYPE')
  }
  for (const name of [
    'onAccepted',
    'onConnected',
    'onConnectFailed',
    'onData',
    'onEof',
    'onError',
    'onReadyToSend',
    'onListenError',
    'onClosed',
    'onBatchEnd',
  ]) {
    expect(code(() => checkEvents('events', { [name]: 'text' }))).toBe('ERR_INVALID_ARG_TYPE')
  }
})
