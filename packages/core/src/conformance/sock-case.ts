import assert from 'node:assert/strict'
import type { Backend } from '../backend'
import type { Sock } from '../sock'
import type { SockFactory } from '../sock/factory'
import { assertBytes } from './bytes'

/** A kind of Sock on trial. All its pairs can be waited for together. */
export interface SockKind extends Pick<SockFactory, 'pair'> {
  /** Absent where a Sock is not made of a descriptor. */
  fromFd?(fd: number): Sock
  /** Absent where a Sock is no socket of the kernel. */
  create?: SockFactory['create']
  /** Whether a descriptor is open, in this process or in whatever table there is. */
  isOpen(fd: number): boolean
  /** The engine that takes Socks over; absent where there is none. */
  createSockMan?: Backend['createSockMan']
  /** False where an error cannot be waited for with nothing else requested; default true. */
  errorsAlone?: boolean
}

/** One behaviour of every kind of Sock, or of those that have what it needs. */
export interface SockCase {
  readonly title: string
  readonly needs?: keyof SockKind
  /** Its deadline in ms at quick and at full size, default 10 000 for both. */
  readonly deadline?: readonly [quick: number, full: number]
  run(kind: SockKind, full: boolean): Promise<void> | void
}

export const LF = 10
export const DAY = 86_400_000
/** What an error must be. */
export const code = (code: string, more: object = {}) => ({ name: 'SockError', code, ...more })

export function sendText(from: Sock, text: string): void {
  assert.equal(from.send(new TextEncoder().encode(text)), text.length)
}

/** What can be read now, as text. */
export function recvText(sock: Sock): string {
  const buffer = new Uint8Array(1024)
  return new TextDecoder().decode(buffer.subarray(0, Math.max(0, sock.recv(buffer))))
}

/** Sends `text` from one to the other, whole. */
export function exchange(from: Sock, to: Sock, text: string): void {
  const message = new TextEncoder().encode(text)
  assert.equal(from.send(message), message.length)
  const buffer = new Uint8Array(message.length + 1)
  assert.equal(to.recv(buffer), message.length)
  assertBytes(buffer.subarray(0, message.length), message)
}

export async function inPair(
  kind: SockKind,
  body: (one: Sock, two: Sock) => Promise<void> | void,
): Promise<void> {
  const pair = kind.pair()
  try {
    await body(...pair)
  } finally {
    for (const sock of pair) sock.close()
  }
}
