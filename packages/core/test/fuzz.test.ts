import { afterEach, beforeEach, expect, test } from 'vitest'
import { SockError } from '../src'
import { FuzzedSock } from '../src/mock'
import { TWINS, type Twin } from './twins'

// A failing seed is printed; `SOCKMAN_FUZZ_SEED=4711 npx vitest run test/fuzz.test.ts` replays it alone.
const { SOCKMAN_FUZZ_SEED } = process.env
const FIRST = Number(SOCKMAN_FUZZ_SEED ?? 0)
const LAST = SOCKMAN_FUZZ_SEED === undefined ? 100_000 : FIRST + 1

/** What no operation may end with: it had to try again. */
const TRANSIENT = new Set(['EAGAIN', 'EINTR', 'EINPROGRESS'])

// Nobody reads the traces of a hundred thousand expected errors.
const { stackTraceLimit } = Error
beforeEach(() => {
  if (SOCKMAN_FUZZ_SEED === undefined) Error.stackTraceLimit = 0
})
afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit
})

interface Outcome {
  code: string
  count: number
  now: number
}

/** Drives one operation and checks what must hold for all seeds. */
async function outcome(sock: FuzzedSock, act: Promise<unknown>, most: number): Promise<Outcome> {
  let result: { code: string; count: number }
  try {
    const value = await act
    result = { code: 'ok', count: value instanceof Uint8Array ? value.length : 0 }
  } catch (error) {
    const { code, bytesSent, received } = error as SockError
    const count = bytesSent ?? received?.length ?? -1
    if (!(error instanceof SockError) || TRANSIENT.has(code) || count < 0 || count > most) throw error
    result = { code, count }
  }
  return { ...result, now: sock.now() }
}

/** All of a seed: every byte of it decides, so that the second driver must come to the same. */
async function run(seed: number, twin: Twin): Promise<unknown[]> {
  const sock = new FuzzedSock(seed)
  const timeout = [0, 20, 300, 5000][seed % 4]!
  const length = (seed * 7) % 1500
  const connected = sock.isConnected()
  const outcomes: unknown[] = [connected]
  outcomes.push(await outcome(sock, twin.sendComplete(sock, new Uint8Array(length), { timeout }), length))
  const maxData = 1 + ((seed * 13) % 2000)
  const line = twin.recvUntilTerminator(sock, seed % 256, { timeout, maxData })
  outcomes.push(await outcome(sock, line, maxData), sock.isConnected())
  return outcomes
}

test(`sendComplete, recvUntilTerminator and isConnected on ${LAST - FIRST} fuzzed sockets, both ways`, async () => {
  const seen = new Map<string, number>()
  for (let seed = FIRST; seed < LAST; seed++) {
    try {
      const outcomes = await run(seed, TWINS.asynchronous)
      const again = await run(seed, TWINS.Sync)
      const text = JSON.stringify(outcomes)
      if (text !== JSON.stringify(again))
        throw new Error(`asynchronous ${text}, Sync ${JSON.stringify(again)}`)
      for (const { code } of outcomes as Outcome[]) if (code) seen.set(code, (seen.get(code) ?? 0) + 1)
    } catch (error) {
      throw new Error(`seed ${seed} fails: SOCKMAN_FUZZ_SEED=${seed}`, { cause: error })
    }
  }
  if (SOCKMAN_FUZZ_SEED !== undefined) return
  const codes = ['ok', 'EPIPE', 'ECONNRESET', 'ERR_SOCK_EOF', 'ERR_SOCK_TIMEOUT', 'ERR_SOCK_MAX_DATA']
  for (const code of codes) expect([code, (seen.get(code) ?? 0) > 100]).toEqual([code, true])
}, 120_000)
