import { expect, test } from 'vitest'
import { describe as describeValue, errnoOf, parseRow, SockAddr, SockError, selectBackend } from '../src'
import { hostile, oddValues, thrown } from '../src/conformance/odd-values'
import { createMemoryNetwork, type MemoryNetworkOptions } from '../src/memory'

const VALUES = oddValues(1)
const OPTIONS: readonly (keyof MemoryNetworkOptions)[] = [
  'seed',
  'clock',
  'latency',
  'bandwidth',
  'sendBuffer',
  'receiveBuffer',
  'chunk',
  'unreachable',
  'trace',
]
const network = createMemoryNetwork()
const { socks } = network.host()
const [near, far] = socks.pair()
const map = (key: unknown, value: unknown): never => new Map([[key, value]]) as never
const backends = [{ name: 'none', load: async () => ({ reason: 'ENOSYS', message: '', remedy: '' }) }]

/** What takes odd values beside the calls of a SockMan (C84). */
const CALLS: Readonly<Record<string, (value: never) => unknown>> = {
  createMemoryNetwork: (value) => createMemoryNetwork(value),
  ...Object.fromEntries(
    OPTIONS.flatMap((key) => [
      [`createMemoryNetwork ${key}`, (value) => createMemoryNetwork({ [key]: value })],
      [`createMemoryNetwork ${key} range`, (value) => createMemoryNetwork({ [key]: [value, value] })],
    ]),
  ),
  'network.host': (value) => network.host(value),
  'network.run': (value) => network.run(value),
  'network.run limit': (value) => network.run({ limit: value }),
  'network.setTimeout': (value) => network.clearTimeout(network.setTimeout(value, 5)),
  'network.setTimeout ms': (value) => network.clearTimeout(network.setTimeout(() => {}, value)),
  'network.clearTimeout': (value) => network.clearTimeout(value),
  'network.partition': (value) => network.partition(value),
  'network.heal': (value) => network.heal(value),
  'network.report': (value) => network.report(value),
  'SockAddr.parse': SockAddr.parse,
  'SockAddr.from': SockAddr.from,
  'SockAddr.unix': SockAddr.unix,
  'SockAddr.ip': (value) => SockAddr.ip(value, 1),
  'SockAddr.ip port': (value) => SockAddr.ip('127.0.0.1', value),
  'SockAddr.equals': (value) => expect(SockAddr.parse('127.0.0.1:1').equals(value)).toBe(false),
  parseRow,
  errnoOf,
  selectBackend: (value) => selectBackend(value),
  'selectBackend one': (value) => selectBackend([value]),
  'selectBackend options': (value) => selectBackend(backends, value),
  'selectBackend name': (value) => selectBackend(backends, { name: value }),
  'selectBackend drive': (value) => selectBackend(backends, { drive: value }),
  'selectBackend require': (value) => selectBackend(backends, { require: value }),
  'selectBackend require drives': (value) => selectBackend(backends, { require: { drives: value } }),
  'sock.send': (value) => near.send(value),
  'sock.send offset': (value) => near.send(new Uint8Array(1), 0, value),
  'sock.recv': (value) => near.recv(value),
  'sock.recv length': (value) => near.recv(new Uint8Array(1), 0, value),
  'sock.connect': (value) => near.connect(value),
  'sock.setSockOpt': (value) => near.setSockOpt(1, 7, value),
  'sock.getSockOpt': (value) => near.getSockOpt(1, 7, value),
  'sock.assignFrom': (value) => near.assignFrom(value),
  'sock.wait events': (value) => near.wait(0, value),
  'sock.wait options': (value) => near.wait(0, 1, value),
  'sock.wait signal': (value) => near.wait(0, 1, { signal: value }),
  'sock.waitSync signal': (value) => near.waitSync(0, 1, { signal: value }),
  'sock.waitMany': (value) => near.waitMany(value, 0),
  'sock.waitMany key': (value) => near.waitMany(map(value, { requested: 1, occurred: 0 }), 0),
  'sock.waitMany value': (value) => near.waitMany(map(near, value), 0),
  'sock.waitMany requested': (value) => near.waitMany(map(near, { requested: value, occurred: 0 }), 0),
  'sock.sendComplete': (value) => near.sendComplete(value, { timeout: 0 }),
  'sock.sendComplete options': (value) => near.sendComplete('', value),
  'sock.recvUntilTerminator': (value) => near.recvUntilTerminator(value, { timeout: 0 }),
}

test.each(Object.keys(CALLS))('%s: an odd value is valid, or gets a typed answer', async (name) => {
  const raw: string[] = []
  for (const [what, value] of Object.entries(VALUES)) {
    try {
      await CALLS[name]!(value as never)
    } catch (error) {
      if (!(error instanceof SockError)) raw.push(`${what}: ${error}`)
    }
    far.recv(new Uint8Array(65536))
  }
  // What such an object is asked for is its owner's code.
  expect(raw.filter((text) => !text.endsWith(thrown.message))).toEqual([])
})

test('any value has a text', () => {
  for (const value of [...Object.values(VALUES), hostile()]) expect(describeValue(value)).toMatch(/./)
})

test('waitMany: what only looks like a Map, and events that cannot be written', async () => {
  const events = { requested: 2, occurred: 0 }
  for (const fake of [new Proxy(map(near, events), {}), Object.create(Map.prototype)])
    await expect(near.waitMany(fake, 0)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  await expect(near.waitMany(map(near, Object.freeze(events)), 0)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARG_TYPE',
  })
})

test('a view that says more than there is of its length', () => {
  class Longer extends Uint8Array {
    override get length(): number {
      return 1000
    }
  }
  const [one, two] = socks.pair()
  expect(one.send(new Longer(4).fill(7))).toBe(4)
  expect(two.recv(new Longer(8))).toBe(4)
  expect(() => one.send(new Longer(4), 0, 500)).toThrow(/from 0 to 4/)
  expect(() => two.recv(new Longer(4), 0, 500)).toThrow(/from 1 to 4/)
})
