import { type Backend, type ConnectionId, SockAddr, type SockMan } from '@sockman/core'
import { Bench, type FnReturnedObject } from 'tinybench'
import { describeMachine, machineLine } from './report/machine'
import { formatTable } from './report/table'
import { BACKEND_NAMES, loadBackend } from './rows/backends'
import { parseBenchRow, whyUnavailable } from './rows/row'
import { Framer, type MessageSink } from './wire/framing'
import { encodeMessage } from './wire/message'
import { MAGIC } from './wire/network'

export interface MicroResult {
  readonly tasks: readonly {
    readonly name: string
    /** Of one operation, nanoseconds. */
    readonly median: number
    readonly p99: number
    readonly samples: number
  }[]
}

/** Connections of the crossing tasks, and what each of them carries per round. */
const CROSSINGS = 64
const PAYLOAD = 32

/**
 * Small costs, one by one.
 *
 * - *address*: parse and format one IPv6 address.
 * - *framing*: 256 KiB from the middle of a block through the framer, not hashed.
 * - *send crossing*: one `send` of 32 bytes outside callbacks, to each of 64 loopback connections in turn:
 *   call, kernel and return.
 * - *receive crossing*: from the last of those sends until all 64 have come in as `onData` on the other ends,
 *   which belong to the same SockMan, divided by 64: a batch of 64 events, wake-up included.
 *
 * @param seconds per task, at least
 * @param note told which backends are left out, and why
 */
export async function runMicro(seconds: number, note: (line: string) => void): Promise<MicroResult> {
  const bench = new Bench({ time: seconds * 1000, warmupTime: seconds * 250 })
  addAddressTasks(bench)
  addFramingTask(bench)
  const men: SockMan[] = []
  /** Operations that one sample of a task stands for. */
  const batch = new Map<string, number>()
  for (const name of BACKEND_NAMES) {
    const why = await whyUnavailable(parseBenchRow(name))
    if (why !== undefined) {
      note(`${name} is left out: ${why}`)
      continue
    }
    const backend = await loadBackend(name)
    for (const drive of backend.supports.drives) {
      const crossing = await Crossing.open(backend, drive)
      men.push(crossing.man)
      for (const side of ['send', 'receive'] as const) {
        const task = `${side} crossing, ${name}:${drive}`
        batch.set(task, CROSSINGS)
        bench.add(
          task,
          async () => ({ overriddenDuration: (await crossing.round())[side] }) satisfies FnReturnedObject,
          {
            async: true,
          },
        )
      }
    }
  }
  try {
    await bench.run()
  } finally {
    await Promise.all(men.map((man) => man.stop()))
  }
  return {
    tasks: bench.tasks.map(({ name, result }) => {
      if (result.state !== 'completed')
        throw 'error' in result ? result.error : new Error(`${name}: ${result.state}`)
      const perOperation = (ms: number) => (ms * 1e6) / (batch.get(name) ?? 1)
      const { p50, p99, samplesCount } = result.latency
      return { name, median: perOperation(p50), p99: perOperation(p99), samples: samplesCount }
    }),
  }
}

function addAddressTasks(bench: Bench): void {
  const text = '[2001:db8::8a2e:370:7334]:8333'
  const address = SockAddr.parse(text)
  bench.add('address: parse', () => void SockAddr.parse(text))
  bench.add('address: format', () => void address.toString())
}

function addFramingTask(bench: Bench): void {
  const chunk = Buffer.alloc(256 * 1024)
  const length = 4_000_000
  let left = 0
  const sink: MessageSink = { onMessageStart() {}, onPayload() {}, onMessageEnd() {} }
  const framer = new Framer(MAGIC.mainnet, 'none', sink)
  const header = encodeMessage(MAGIC.mainnet, 'block')
  header.writeUInt32LE(length, 16)
  bench.add('framing: 256 KiB of a block', () => {
    if (left < chunk.length) {
      // The end of one block and the header of the next, as the stream has them.
      framer.push(chunk.subarray(0, left))
      framer.push(header)
      left = length
    }
    framer.push(chunk)
    left -= chunk.length
  })
}

/** 64 connections of one SockMan with itself. */
class Crossing {
  readonly man: SockMan
  readonly #senders: ConnectionId[] = []
  readonly #payload = Buffer.alloc(PAYLOAD)
  #missing = 0
  #arrived: () => void = () => {}

  private constructor(backend: Backend, drive: 'thread' | 'inline') {
    this.man = backend.createSockMan({}, { drive })
  }

  static async open(backend: Backend, drive: 'thread' | 'inline'): Promise<Crossing> {
    const crossing = new Crossing(backend, drive)
    const { man } = crossing
    const onData = (_id: ConnectionId, data: Uint8Array) => {
      crossing.#missing -= data.length
      if (crossing.#missing === 0) crossing.#arrived()
    }
    const { address } = man.listen('127.0.0.1:0', { events: { onData } })
    for (let count = 0; count < CROSSINGS; count++) {
      await new Promise<void>((resolve, reject) => {
        const events = {
          onConnected: (id: ConnectionId) => {
            crossing.#senders.push(id)
            resolve()
          },
          onConnectFailed: (_id: ConnectionId, error: Error) => reject(error),
        }
        man.connect(address, { events })
      })
    }
    return crossing
  }

  /** One message over every connection; ms of its two halves. */
  async round(): Promise<{ send: number; receive: number }> {
    this.#missing = CROSSINGS * PAYLOAD
    const arrived = new Promise<void>((resolve) => {
      this.#arrived = resolve
    })
    const start = performance.now()
    for (const id of this.#senders) this.man.send(id, this.#payload)
    const sent = performance.now()
    await arrived
    return { send: sent - start, receive: performance.now() - sent }
  }
}

/** The table and what must be known to read it. */
export function formatMicro({ tasks }: MicroResult): string {
  const body = tasks.map(({ name, median, p99, samples }) => [
    name,
    median.toFixed(0),
    p99.toFixed(0),
    String(samples),
  ])
  return [
    formatTable(['operation', 'median ns', 'p99 ns', 'samples'], body),
    machineLine(describeMachine()),
    'Crossings: 32 bytes over each of 64 loopback connections of one SockMan with itself, per message; receive includes the wake-up.',
  ].join('\n')
}
