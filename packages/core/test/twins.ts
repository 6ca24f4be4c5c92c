import { describe } from 'vitest'
import type { RecvUntilTerminatorOptions, SendCompleteOptions, Sock } from '../src'

export interface Twin {
  sendComplete(sock: Sock, data: Uint8Array | string, options?: SendCompleteOptions): Promise<void>
  recvUntilTerminator(
    sock: Sock,
    terminator: number,
    options?: RecvUntilTerminatorOptions,
  ): Promise<Uint8Array | string>
}

/** Both ways to drive an algorithm, told apart by nothing but who waits. */
export const TWINS: Readonly<Record<'asynchronous' | 'Sync', Twin>> = {
  asynchronous: {
    sendComplete: (sock, data, options) => sock.sendComplete(data, options),
    recvUntilTerminator: (sock, terminator, options) =>
      sock.recvUntilTerminator(terminator, options as { encoding?: never }),
  },
  Sync: {
    sendComplete: async (sock, data, options) => sock.sendCompleteSync(data, options),
    recvUntilTerminator: async (sock, terminator, options) =>
      sock.recvUntilTerminatorSync(terminator, options as { encoding?: never }),
  },
}

/** The same cases for both. */
export function twins(name: string, cases: (twin: Twin) => void): void {
  for (const [kind, twin] of Object.entries(TWINS)) describe(`${name}, ${kind}`, () => cases(twin))
}
