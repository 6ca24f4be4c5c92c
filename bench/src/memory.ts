import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ConnectionId, SockMan } from '@sockman/core'
import { createMemoryNetwork, type MemoryNetwork } from '@sockman/core/memory'
import { Bench } from 'tinybench'
import { describeMachine, machineLine } from './report/machine'
import { formatTable } from './report/table'

export interface MemoryResult {
  readonly connections: number
  readonly messages: number
  readonly trials: number
  /** Medians, ms. */
  readonly connectMs: number
  readonly messagesMs: number
  /** Heap and array buffers of one open connection, both ends and the network between, bytes. */
  readonly bytesPerConnection: number
  /** `onData` calls per message: chunks follow no message. */
  readonly chunksPerMessage: number
}

const PAYLOAD = 32
/** A host has 28 232 ports for connections to one address. */
const PER_HOST = 25_000

/**
 * What the in-memory network costs: opening connections from one SockMan per 25 000 of them to one, then 32-byte messages,
 * one on each connection per round, all of it delivered before the next.
 *
 * @param note told of the progress
 */
export async function runMemory(
  { connections, messages, trials }: { connections: number; messages: number; trials: number },
  note: (line: string) => void,
): Promise<MemoryResult> {
  const bench = new Bench({ time: 0, iterations: trials, warmup: false })
  const collect = garbageCollector()
  const bytes: number[] = []
  let before = 0
  let world = new World(connections)
  bench.add('connections', () => world.open(), {
    async: true,
    beforeEach() {
      world = new World(connections)
      collect()
      before = used()
    },
    async afterEach() {
      collect()
      bytes.push((used() - before) / connections)
      await world.stop()
      note(`connections: trial ${bytes.length} of ${trials}`)
    },
  })
  let done = 0
  bench.add('messages', () => world.exchange(messages), {
    async: true,
    async beforeAll() {
      world = new World(connections)
      await world.open()
    },
    afterEach: () => note(`messages: trial ${++done} of ${trials}`),
    afterAll: () => world.stop(),
  })
  await bench.run()
  const [connectMs, messagesMs] = bench.tasks.map(({ name, result }) => {
    if (result.state !== 'completed')
      throw 'error' in result ? result.error : new Error(`${name}: ${result.state}`)
    return result.latency.p50
  }) as [number, number]
  const bytesPerConnection = Math.round(bytes.sort((a, b) => a - b)[bytes.length >> 1]!)
  const chunksPerMessage = world.chunks / (messages * trials)
  return { connections, messages, trials, connectMs, messagesMs, bytesPerConnection, chunksPerMessage }
}

/** One server and the clients of a network. */
class World {
  readonly #connections: number
  readonly #network: MemoryNetwork
  readonly #server: SockMan
  readonly #clients: SockMan[] = []
  readonly #senders: { man: SockMan; id: ConnectionId }[] = []
  readonly #payload = new Uint8Array(PAYLOAD)
  #received = 0
  chunks = 0

  constructor(connections: number) {
    this.#connections = connections
    this.#network = createMemoryNetwork()
    this.#server = this.#network.host('10.0.0.1').createSockMan({
      onData: (_id, data) => {
        this.chunks++
        this.#received += data.length
      },
    })
    this.#server.listen('10.0.0.1:8333', { backlog: 65535 })
  }

  async open(): Promise<void> {
    for (let left = this.#connections; left > 0; left -= PER_HOST) {
      const man = this.#network.host().createSockMan({})
      this.#clients.push(man)
      for (let n = Math.min(left, PER_HOST); n > 0; n--)
        this.#senders.push({ man, id: man.connect('10.0.0.1:8333') })
    }
    await this.#network.run()
    const { connections } = this.#server.stats()
    if (connections !== this.#connections) throw new Error(`${connections} of ${this.#connections} connected`)
  }

  async exchange(messages: number): Promise<void> {
    for (let left = messages; left > 0; ) {
      for (const { man, id } of this.#senders) {
        man.send(id, this.#payload)
        if (--left === 0) break
      }
      await this.#network.run()
    }
    const expected = messages * PAYLOAD
    if (this.#received !== expected) throw new Error(`${this.#received} of ${expected} bytes arrived`)
    this.#received = 0
  }

  async stop(): Promise<void> {
    await Promise.all([this.#server, ...this.#clients].map((man) => man.stop()))
  }
}

function used(): number {
  const { heapUsed, arrayBuffers } = memoryUsage()
  return heapUsed + arrayBuffers
}

/** Without a flag on the command line. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}

/** The table and what must be known to read it. */
export function formatMemory(result: MemoryResult): string {
  const { connections, messages, trials, connectMs, messagesMs } = result
  const row = (what: string, count: number, ms: number): string[] => [
    what,
    (ms / 1000).toFixed(2),
    ((ms * 1000) / count).toFixed(2),
  ]
  return [
    formatTable(
      ['operation', 's', 'µs each'],
      [
        row(`${connections} connections`, connections, connectMs),
        row(`${messages} messages`, messages, messagesMs),
      ],
    ),
    `${result.bytesPerConnection} bytes per connection: both ends and the network between.`,
    `${result.chunksPerMessage.toFixed(2)} onData calls per message of ${PAYLOAD} bytes: chunks follow no message.`,
    machineLine(describeMachine()),
    `The in-memory network, virtual clock, latencies of 1 to 10 ms, poison on; medians of ${trials} trials.`,
  ].join('\n')
}
