// The load of a trial: node:net in this process, the same for every row.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { SockAddr } from '@sockman/core'
import { MeasureError } from './errors'
import type { Count, TrialProcess } from './trial-process'

const CONNECTIONS = 4
const CHUNK = Buffer.alloc(256 * 1024, 'sockman')
const REQUEST = 32

export interface Download {
  /** Bytes that the row took in, and in how many seconds of its own clock. */
  readonly bytes: number
  readonly seconds: number
  /** CPU seconds of its process meanwhile, all threads. */
  readonly cpu: number
}

/** Round trips, µs. */
export interface Ping {
  readonly count: number
  readonly p50: number
  readonly p99: number
}

/** How long each part of a trial takes, seconds; `warmUp` comes before each and is not counted. */
export interface Times {
  readonly warmUp: number
  readonly download: number
  readonly ping: number
}

/**
 * Sends to the row as fast as 4 connections go.
 *
 * @throws MeasureError when not every byte arrived
 */
export async function download(trial: TrialProcess, times: Times, abort: AbortSignal): Promise<Download> {
  await using senders = new Sockets()
  await Promise.all(Array.from({ length: CONNECTIONS }, () => senders.open(trial.sink)))
  for (const socket of senders.all) pour(socket)
  await pause(times.warmUp, abort)
  const before = await trial.count()
  await pause(times.download, abort)
  const after = await trial.count()
  const sent = await senders.end()
  const { bytes } = await trial.count()
  if (bytes !== sent) throw new MeasureError(`${trial.row} took in ${bytes} bytes of ${sent}`)
  return difference(before, after)
}

/**
 * Asks 32 bytes at a time of the row, which sends them back, over one connection.
 *
 * @throws MeasureError when something else comes back
 */
export async function ping(trial: TrialProcess, times: Times, abort: AbortSignal): Promise<Ping> {
  await using sockets = new Sockets()
  const socket = await sockets.open(trial.echo)
  const latencies: number[] = []
  const request = Buffer.alloc(REQUEST)
  const warm = performance.now() + times.warmUp * 1e3
  // The time begins with the first request after the warm-up, so that there always is one.
  let end = Number.POSITIVE_INFINITY
  for (let number = 0, now = performance.now(); now < end; number++) {
    const asked = now
    if (asked >= warm && end === Number.POSITIVE_INFINITY) end = asked + times.ping * 1e3
    request.writeUInt32LE(number)
    const answer = await roundTrip(socket, request)
    if (!answer.equals(request)) throw new MeasureError(`${trial.row} sent back other bytes`)
    now = performance.now()
    if (asked >= warm) latencies.push((now - asked) * 1e3)
  }
  abort.throwIfAborted()
  latencies.sort((a, b) => a - b)
  const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))]!
  return { count: latencies.length, p50: quantile(0.5), p99: quantile(0.99) }
}

/** Connections to a trial, each ended by who opened it. */
class Sockets implements AsyncDisposable {
  readonly all: Socket[] = []

  async open({ host, port }: SockAddr): Promise<Socket> {
    const socket = connect({ host, port, noDelay: true })
    this.all.push(socket)
    await once(socket, 'connect')
    // What breaks it later is told by who waits for bytes or for its end.
    socket.on('error', () => {})
    return socket
  }

  /** Sends what is queued and our end, and waits for the peer's. How many bytes were sent. */
  async end(): Promise<number> {
    await Promise.all(
      this.all.map(async (socket) => {
        socket.removeAllListeners('drain')
        socket.end().resume()
        if (!socket.closed) await once(socket, 'close')
      }),
    )
    return this.all.reduce((sum, socket) => sum + socket.bytesWritten, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.all.map(async (socket) => {
        socket.destroy()
        if (!socket.closed) await once(socket, 'close')
      }),
    )
  }
}

function pour(socket: Socket): void {
  const more = () => {
    while (socket.writable && socket.write(CHUNK)) {}
  }
  socket.on('drain', more)
  more()
}

/** One request and its answer. */
function roundTrip(socket: Socket, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let answer: Buffer = Buffer.alloc(0)
    const onData = (data: Buffer) => {
      answer = answer.length === 0 ? data : Buffer.concat([answer, data])
      if (answer.length < request.length) return
      socket.off('data', onData).off('close', onClose)
      resolve(answer)
    }
    const onClose = () => reject(new MeasureError('the connection ended before the answer'))
    socket.on('data', onData).on('close', onClose)
    socket.write(request)
  })
}

function difference(before: Count, after: Count): Download {
  return {
    bytes: after.bytes - before.bytes,
    seconds: after.time - before.time,
    cpu: after.cpu - before.cpu,
  }
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(seconds * 1e3, undefined, { signal })
}
