import { type Backend, MSG_DONTWAIT, type Sock } from '@sockman/core'
import { Bench, type FnReturnedObject } from 'tinybench'
import { BenchError } from './errors'
import { describeMachine, machineLine } from './report/machine'
import { formatTable } from './report/table'
import { loadBackend } from './rows/backends'
import { parseBenchRow, whyUnavailable } from './rows/row'

/** 64 MiB in lines of 255 or 256 bytes, the terminator included. */
export const LINES = { bytes: 64 * 1024 * 1024, terminators: 262_526 } as const

const LF = 10

export interface LinesOptions {
  readonly backend: string
  readonly bytes: number
  /** Over all lines, of each way that is not byte-wise; that one is passed over once. */
  readonly passes: number
}

export interface LinesResult {
  readonly backend: string
  readonly bytes: number
  readonly terminators: number
  readonly ways: readonly {
    readonly name: string
    /** ms of the median pass, the sending not counted. */
    readonly ms: number
    readonly passes: number
    /** recv(2), the peeks included, counted in a pass of their own. */
    readonly systemCalls: number
    /** How many times as fast as byte by byte. */
    readonly factor: number
  }[]
}

type Socks = NonNullable<Backend['socks']>

/** Takes the next line from the Sock; it is all there. */
type Way = (sock: Sock) => Promise<Uint8Array> | Uint8Array

const WAYS: Readonly<Record<string, Way>> = {
  recvUntilTerminator: (sock) => sock.recvUntilTerminator(LF),
  recvUntilTerminatorSync: (sock) => sock.recvUntilTerminatorSync(LF),
  'byte by byte': (sock) => {
    const line: number[] = []
    const byte = new Uint8Array(1)
    while (sock.recv(byte, MSG_DONTWAIT) > 0 && byte[0] !== LF) line.push(byte[0]!)
    return Uint8Array.from(line)
  },
}

/**
 * Reads lines over one Unix socket pair, never a byte beyond, in three ways. The pair is filled and then emptied, so that
 * only reading is measured and nothing ever waits.
 *
 * @param note told what goes on
 */
export async function runLines(options: LinesOptions, note: (line: string) => void): Promise<LinesResult> {
  const why = await whyUnavailable(parseBenchRow(options.backend))
  if (why !== undefined) throw new BenchError(`${options.backend} is unavailable: ${why}`)
  const { socks } = await loadBackend(options.backend)
  if (!socks) throw new BenchError(`${options.backend} has no Socks`)
  const data = linesOf(options.bytes)
  const passes: Record<string, number> = {}
  const times: Record<string, number> = {}
  const calls: Record<string, number> = {}
  for (const [name, way] of Object.entries(WAYS)) {
    const bytewise = name === 'byte by byte'
    note(`${name}: ${bytewise ? 1 : options.passes} × ${data.terminators} lines …`)
    const iterations = bytewise ? 1 : options.passes
    const bench = new Bench({ iterations, time: 0, warmup: !bytewise, warmupIterations: 1, warmupTime: 0 })
    bench.add(
      name,
      async () => ({ overriddenDuration: await pass(socks, data, way) }) satisfies FnReturnedObject,
      {
        async: true,
      },
    )
    await bench.run()
    const { result } = bench.tasks[0]!
    if (result.state !== 'completed') throw 'error' in result ? result.error : new Error(result.state)
    times[name] = result.latency.p50
    passes[name] = result.latency.samplesCount
    calls[name] = await countCalls(socks, data, way)
  }
  return {
    backend: options.backend,
    bytes: data.bytes.length,
    terminators: data.terminators,
    ways: Object.keys(WAYS).map((name) => ({
      name,
      ms: times[name]!,
      passes: passes[name]!,
      systemCalls: calls[name]!,
      factor: times['byte by byte']! / times[name]!,
    })),
  }
}

interface Lines {
  readonly bytes: Uint8Array
  readonly terminators: number
  /** Where line `n` ends, its terminator included. */
  end(n: number): number
}

/** The same lines in as many bytes as are asked for. */
function linesOf(size: number): Lines {
  const terminators = Math.max(1, Math.round((LINES.terminators * size) / LINES.bytes))
  const end = (n: number) => Math.floor(((n + 1) * size) / terminators)
  const bytes = new Uint8Array(size).fill(0x61)
  for (let n = 0; n < terminators; n++) bytes[end(n) - 1] = LF
  return { bytes, terminators, end }
}

/** Reads all lines once; ms spent reading. */
async function pass(socks: Socks, lines: Lines, way: Way): Promise<number> {
  const { bytes, terminators, end } = lines
  const [sender, receiver] = socks.pair()
  let spent = 0
  try {
    let sent = 0
    for (let n = 0; n < terminators; ) {
      for (let count = 1; count > 0 && sent < bytes.length; sent += Math.max(0, count)) {
        count = sender.send(bytes, MSG_DONTWAIT, sent)
      }
      const start = performance.now()
      for (; n < terminators && end(n) <= sent; n++) {
        const line = await way(receiver)
        const length = end(n) - (n > 0 ? end(n - 1) : 0) - 1
        if (line.length !== length) throw new BenchError(`line ${n} has ${line.length} bytes, not ${length}`)
      }
      spent += performance.now() - start
    }
  } finally {
    sender.close()
    receiver.close()
  }
  return spent
}

async function countCalls(socks: Socks, lines: Lines, way: Way): Promise<number> {
  let calls = 0
  await pass(socks, lines, (sock) => {
    if (!Object.hasOwn(sock, 'recv')) {
      const recv = sock.recv.bind(sock)
      sock.recv = (...args) => {
        calls++
        return recv(...args)
      }
    }
    return way(sock)
  })
  return calls
}

/** The table and what must be known to read it. */
export function formatLines({ backend, bytes, terminators, ways }: LinesResult): string {
  const body = ways.map(({ name, ms, passes, systemCalls, factor }) => [
    name,
    ms.toFixed(0),
    (bytes / 1e6 / (ms / 1e3)).toFixed(1),
    ((ms * 1e3) / terminators).toFixed(2),
    systemCalls.toLocaleString('en'),
    (systemCalls / terminators).toFixed(1),
    factor.toFixed(1),
    String(passes),
  ])
  return [
    formatTable(['read', 'ms', 'MB/s', 'µs/line', 'system calls', 'calls/line', 'x', 'passes'], body),
    machineLine(describeMachine()),
    `${bytes} bytes with ${terminators} terminators over one Unix socket pair of ${backend}, never a byte beyond. The sending is not counted.`,
    'System calls are recv(2), peeks included; x: times as fast as byte by byte.',
  ].join('\n')
}
