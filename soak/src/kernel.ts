import { readFileSync } from 'node:fs'

/** `include/net/tcp_states.h`, from 1. */
const STATES = [
  '',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
]

/** What the kernel says of a TCP socket. */
export interface KernelSocket {
  readonly state: string
  /** Bytes that wait to be sent or acknowledged, and to be read. */
  readonly sendQueue: number
  readonly receiveQueue: number
}

/** A socket of this network namespace by its addresses, `host:port` of IPv4 or IPv6 loopback; undefined if there is none. */
export function kernelSocket(me: string, them: string): KernelSocket | undefined {
  const [local, remote] = [hex(me), hex(them)]
  if (!local || !remote) return undefined
  for (const line of readFileSync(local.length > 13 ? '/proc/net/tcp6' : '/proc/net/tcp', 'latin1').split(
    '\n',
  )) {
    const [, from, to, state, queues] = line.trim().split(/\s+/)
    if (from !== local || to !== remote) continue
    const [sendQueue, receiveQueue] = queues!.split(':').map((each) => Number.parseInt(each, 16))
    return { state: STATES[Number.parseInt(state!, 16)]!, sendQueue: sendQueue!, receiveQueue: receiveQueue! }
  }
  return undefined
}

/** An address as `/proc/net/tcp` writes it: words of the machine's byte order, in hexadecimal. */
function hex(address: string): string | undefined {
  const match = /^(?:\[::1\]|(\d+)\.(\d+)\.(\d+)\.(\d+)):(\d+)$/.exec(address)
  if (!match) return undefined
  const port = Number(match[5]).toString(16).toUpperCase().padStart(4, '0')
  if (match[1] === undefined) return `00000000000000000000000001000000:${port}`
  const word = match
    .slice(1, 5)
    .reverse()
    .map((each) => Number(each).toString(16).toUpperCase().padStart(2, '0'))
  return `${word.join('')}:${port}`
}

/** The kernel's counters of what TCP dropped, since it booted (`/proc/net/netstat`). */
export function droppedSegments(): Record<string, number> {
  const [names, values] = readFileSync('/proc/net/netstat', 'latin1')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' ').slice(1))
  const wanted = /Drop|Prune|Collaps|RcvColl|ChallengeACK|WantZero|OFOQueue/
  return Object.fromEntries(
    names!.flatMap((name, index) => (wanted.test(name) ? [[name, Number(values![index])]] : [])),
  )
}
