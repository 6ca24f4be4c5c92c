import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import type { ConnectionId, SockError, SockMan, SockManEvents } from '../../src'
import { createMemoryNetwork, type MemoryNetwork, type MemoryNetworkOptions } from '../../src/memory'

const PORT = 8333

interface Two {
  readonly network: MemoryNetwork
  readonly server: SockMan
  readonly client: SockMan
  readonly id: ConnectionId
  /** What the server got, chunk by chunk. */
  readonly chunks: Uint8Array[]
  readonly events: string[]
}

/** A client on one host that is connecting to a server on another. */
function connect(options: MemoryNetworkOptions, serverEvents: SockManEvents = {}): Two {
  const network = createMemoryNetwork(options)
  const [a, b] = [network.host('10.0.0.1'), network.host('10.0.0.2')]
  const chunks: Uint8Array[] = []
  const events: string[] = []
  const server = a.createSockMan({
    onData: (_, data) => void chunks.push(new Uint8Array(data)),
    ...serverEvents,
  })
  server.listen(`10.0.0.1:${PORT}`)
  const client = b.createSockMan({
    onConnected: () => void events.push(`connected at ${network.now()}`),
    onConnectFailed: (_, { code }) => void events.push(`${code} at ${network.now()}`),
    onReadyToSend: () => void events.push('ready'),
    onClosed: (_, unsent) => void events.push(`closed, ${unsent} unsent`),
  })
  return { network, server, client, id: client.connect(`10.0.0.1:${PORT}`), chunks, events }
}

function lengths(chunks: readonly Uint8Array[]): number[] {
  return chunks.map(({ length }) => length)
}

function sum(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((total, { length }) => total + length, 0)
}

async function transfer(seed: number): Promise<{ chunks: number[]; trace: string }> {
  const { network, client, id, chunks } = connect({ seed })
  for (let n = 0; n < 20; n++) client.send(id, new Uint8Array(1000))
  await network.run()
  return { chunks: lengths(chunks), trace: network.report(1000) }
}

test('the same seed gives the same chunks and the same trace, another seed others', async () => {
  const [first, again, other] = [await transfer(7), await transfer(7), await transfer(8)]
  expect(again).toEqual(first)
  expect(other.chunks).not.toEqual(first.chunks)
  expect(other.trace).not.toBe(first.trace)
  expect(first.chunks.reduce((total, length) => total + length)).toBe(20_000)
})

test('chunks follow no message: over many seeds some are cut and some run together', async () => {
  let [cut, together] = [0, 0]
  for (let seed = 1; seed <= 50; seed++) {
    const { chunks } = await transfer(seed)
    if (chunks.some((length) => length % 1000 !== 0)) cut++
    if (chunks.some((length) => length > 1000)) together++
  }
  expect([cut, together]).toEqual([50, 50])
})

test('chunk says how long they are: 1 is byte by byte', async () => {
  const { network, client, id, chunks } = connect({ chunk: 1 })
  client.send(id, Uint8Array.from([1, 2, 3, 4, 5]))
  await network.run()
  expect(chunks).toEqual([1, 2, 3, 4, 5].map((byte) => Uint8Array.of(byte)))
})

test('virtual time moves only when told to', async () => {
  const { network, events } = connect({ latency: 100 })
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect([network.now(), events]).toEqual([0, []])
  await network.advance(199)
  expect([network.now(), events]).toEqual([199, []])
  await network.advance(1)
  expect(events).toEqual(['connected at 200'])
  await network.run()
  expect(network.now()).toBe(200)
})

test('timers of the network, and microtasks between batches', async () => {
  const network = createMemoryNetwork()
  const order: string[] = []
  const { setTimeout, clearTimeout, sleep } = network
  setTimeout(() => {
    order.push(`b ${network.now()}`)
    queueMicrotask(() => order.push('microtask'))
  }, 20)
  setTimeout(() => void order.push(`c ${network.now()}`), 20)
  setTimeout(() => void order.push('a'), 10)
  clearTimeout(setTimeout(() => void order.push('never'), 15))
  void sleep(30).then(() => order.push(`slept ${network.now()}`))
  await network.advance(30)
  expect(order).toEqual(['a', 'b 20', 'microtask', 'c 20', 'slept 30'])
})

test('run() gives up on what never ends', async () => {
  const network = createMemoryNetwork()
  const again = (): void => void network.setTimeout(again, 1000)
  again()
  await expect(network.run({ limit: 100 })).rejects.toMatchObject({ code: 'ERR_RUN_LIMIT' })
  expect(network.now()).toBeGreaterThan(99_000)
})

test("'auto' needs nobody to move it, and takes no time", async () => {
  const begun = performance.now()
  const { network, events } = connect({ clock: 'auto', latency: 60_000 })
  await network.run()
  expect(events).toEqual(['ETIMEDOUT at 5000'])
  expect(performance.now() - begun).toBeLessThan(5000)
})

test("'real' takes it", async () => {
  const { network, client, id, chunks, events } = connect({ clock: 'real', latency: 5 })
  const begun = performance.now()
  client.send(id, new Uint8Array(50_000))
  await network.run()
  expect(events).toHaveLength(1)
  expect(sum(chunks)).toBe(50_000)
  expect(performance.now() - begun).toBeGreaterThan(15)
})

test('bandwidth is shared by the connections of a direction', async () => {
  const { network, client, id, chunks } = connect({ latency: 0, bandwidth: 100_000, receiveBuffer: 1 << 20 })
  const other = client.connect(`10.0.0.1:${PORT}`)
  for (const each of [id, other]) client.send(each, new Uint8Array(50_000))
  await network.advance(500)
  expect(sum(chunks)).toBeGreaterThan(40_000)
  expect(sum(chunks)).toBeLessThan(60_000)
  await network.advance(510)
  expect(sum(chunks)).toBe(100_000)
})

test('back-pressure: a peer that never reads holds two buffers, the rest stays queued', async () => {
  const { network, client, id, server } = connect(
    { sendBuffer: 1000, receiveBuffer: 2000 },
    { onAccepted: (it) => server.pause(it) },
  )
  await network.run()
  expect(client.send(id, new Uint8Array(2 << 20))).toBe(false)
  await network.run()
  const held = (2 << 20) - client.connectionStats(id).queuedBytes
  expect(held).toBeLessThanOrEqual(3000)
  // The sender is not woken for the last few bytes.
  expect(held).toBeGreaterThan(2500)
  expect(server.stats().bytesReceived).toBe(0)
})

test('a partition holds bytes and connects back, and heals', async () => {
  const { network, client, id, chunks, events } = connect({ latency: 1 })
  const [a, b] = [network.host('10.0.0.1'), network.host('10.0.0.2')]
  await network.run()
  client.send(id, new Uint8Array(100))
  // The bytes are in flight already.
  network.partition(a, b)
  await network.advance(60_000)
  expect(chunks).toEqual([])
  client.send(id, new Uint8Array(100))
  client.connect(`10.0.0.1:${PORT}`)
  await network.advance(10_000)
  expect(events.slice(1)).toEqual(['ETIMEDOUT at 65002'])
  const late = client.connect(`10.0.0.1:${PORT}`)
  await network.advance(1000)
  network.heal(a, b)
  await network.run()
  expect(sum(chunks)).toBe(200)
  expect(events.slice(2)).toEqual([expect.stringMatching(/^connected at 7100\d/)])
  expect(client.connectionStats(late).queuedBytes).toBe(0)
  expect(network.trace().map(({ kind }) => kind)).toEqual(expect.arrayContaining(['partition', 'heal']))
})

test('an address of no host: silence, or a router that says so', async () => {
  for (const [unreachable, expected] of [
    ['silence', 'ETIMEDOUT at 1000'],
    ['error', 'EHOSTUNREACH at 20'],
  ] as const) {
    const network = createMemoryNetwork({ unreachable, latency: 10 })
    const failures: string[] = []
    const man = network.host().createSockMan({
      onConnectFailed: (_: ConnectionId, { code }: SockError) =>
        void failures.push(`${code} at ${network.now()}`),
    })
    man.connect('10.9.9.9:1', { timeout: 1000 })
    await network.run()
    expect(failures).toEqual([expected])
  }
})

test('a full backlog drops, and the client tries again as TCP does', async () => {
  const network = createMemoryNetwork({ latency: 1 })
  const accepted: number[] = []
  const server = network
    .host('10.0.0.1')
    .createSockMan({ onAccepted: () => void accepted.push(network.now()) }, { maxConnections: 1 })
  server.listen('10.0.0.1:1', { backlog: 1 })
  const client = network.host('10.0.0.2').createSockMan({})
  // Two fit into the queue before the server looks at it.
  const ids = [1, 2, 3, 4].map(() => client.connect('10.0.0.1:1'))
  await network.advance(500)
  expect(client.stats().connected).toBe(2)
  expect(network.trace().filter(({ kind }) => kind === 'dropped')).toHaveLength(2)
  await network.advance(1000)
  expect([client.stats().connected, accepted.length]).toEqual([3, 1])
  client.close(ids[0]!, { reset: true })
  await network.advance(3000)
  expect([client.stats().connected, accepted.length]).toEqual([4, 2])
})

test('views are overwritten after their callback, and lie somewhere in a buffer', async () => {
  const kept: Uint8Array[] = []
  const { network, client, id } = connect({}, { onData: (_, data) => void kept.push(data) })
  client.send(id, new Uint8Array(100).fill(7))
  await network.run()
  expect(kept.length).toBeGreaterThan(0)
  for (const view of kept) {
    expect(view.includes(7)).toBe(false)
    expect(view.byteOffset % 2).toBe(1)
    expect(view.buffer.byteLength).toBeGreaterThan(view.length)
  }
})

test('handlers run in the async context of the call, whoever moves the clock', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen = new Set<string>()
  const note = (event: string): void => void seen.add(`${event} in ${storage.getStore()}`)
  const network = createMemoryNetwork()
  const man = storage.run('creation', () =>
    network.host().createSockMan({
      onAccepted: () => note('accepted'),
      onConnected: () => note('connected'),
      onClosed: (id) => note(id === near ? 'near closed' : 'far closed'),
      onBatchEnd: () => note('batch'),
    }),
  )
  const { address } = storage.run('listen', () => man.listen('127.0.0.1:0'))
  const near = storage.run('connect', () => man.connect(address))
  await storage.run('advance', () => network.run())
  await storage.run('stop', () => man.stop())
  expect([...seen].sort()).toEqual([
    'accepted in listen',
    'batch in creation',
    'connected in connect',
    'far closed in listen',
    'near closed in connect',
  ])
})

test('closing with unread data is a reset (C69)', async () => {
  const errors: string[] = []
  const network = createMemoryNetwork()
  const server = network.host('10.0.0.1').createSockMan({ onAccepted: (id) => server.pause(id) })
  server.listen('10.0.0.1:1')
  const client = network.host('10.0.0.2').createSockMan({
    onConnected: (id) => void client.send(id, new Uint8Array(10)),
    onError: (_, { code }) => void errors.push(code),
  })
  client.connect('10.0.0.1:1')
  await network.run()
  server.close(1 as ConnectionId)
  await network.run()
  expect(errors).toEqual(['ECONNRESET'])
})

test('a host has its addresses, ports and names for itself', () => {
  const network = createMemoryNetwork()
  const a = network.host('10.0.0.1', '2001:db8::1')
  const b = network.host()
  expect([a.addresses, b.addresses]).toEqual([['10.0.0.1', '2001:db8::1'], ['10.0.0.2']])
  expect(network.host('2001:db8::1')).toBe(a)
  for (const [addresses, code] of [
    [['10.0.0.1', '10.0.0.2'], 'ERR_INVALID_ARG_VALUE'],
    [['127.0.0.1'], 'ERR_INVALID_ARG_VALUE'],
    [['0.0.0.0'], 'ERR_INVALID_ARG_VALUE'],
    [['example.org'], 'ERR_INVALID_ADDRESS'],
  ] as const) {
    expect(() => network.host(...addresses)).toThrow(expect.objectContaining({ code }))
  }
  const [one, two, other] = [a.createSockMan({}), a.createSockMan({}), b.createSockMan({})]
  one.listen('127.0.0.1:1')
  one.listen('unix:@name')
  expect(() => two.listen('127.0.0.1:1')).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
  expect(() => two.listen('unix:@name')).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
  expect(() => two.listen('10.0.0.2:1')).toThrow(expect.objectContaining({ code: 'EADDRNOTAVAIL' }))
  expect(`${other.listen('127.0.0.1:1').address}`).toBe('127.0.0.1:1')
  other.listen('unix:@name')
})

test('options are checked', () => {
  for (const [options, code] of [
    [{ sead: 1 }, 'ERR_UNKNOWN_OPTION'],
    [{ seed: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ seed: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ clock: 'fast' }, 'ERR_INVALID_ARG_VALUE'],
    [{ latency: [2, 1] }, 'ERR_OUT_OF_RANGE'],
    [{ chunk: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ bandwidth: 0 }, 'ERR_OUT_OF_RANGE'],
  ] as const) {
    expect(() => createMemoryNetwork(options as object), JSON.stringify(options)).toThrow(
      expect.objectContaining({ code }),
    )
  }
})

test('the trace is bounded, and its report names the seed', async () => {
  const { network, client, id } = connect({ seed: 99, trace: 10 })
  client.send(id, new Uint8Array(5000))
  await network.run()
  expect(network.trace()).toHaveLength(10)
  const times = network.trace().map(({ time }) => time)
  expect(times).toEqual([...times].sort((x, y) => x - y))
  expect(network.report(3)).toMatch(
    /^memory network: seed 99, virtual clock at [\d.]+ ms; last events:\n +… \d+ before\n(.+\n){2}.+$/,
  )
})
