import { MAX_HEADERS, MAX_PAYLOAD } from '../wire/message'
import { ProtocolError } from './allowance'

/** Most bytes of a payload, and how many of them are looked at, from its begin. */
interface Limit {
  readonly most: number
  readonly kept: number
}

const whole = (most: number): Limit => ({ most, kept: most })

/** The messages that are read; of all others nothing is kept. A peer announces lengths, and memory is taken for `kept` only. */
const LIMITS: ReadonlyMap<string, Limit> = new Map([
  // The user agent has at most 256 bytes (`MAX_SUBVERSION_LENGTH`, net.h); room for what comes after 70016.
  ['version', whole(1024)],
  ['verack', whole(0)],
  // A nonce (BIP 31): who echoes more sends as much as a peer likes.
  ['ping', { most: MAX_PAYLOAD, kept: 8 }],
  ['headers', whole(3 + MAX_HEADERS * 81)],
  // The count and the first entry.
  ['notfound', { most: MAX_PAYLOAD, kept: 9 + 36 }],
])

/**
 * How many bytes of a control message's payload are kept.
 *
 * @throws ProtocolError when the message is longer than one of its kind can be
 */
export function keptOf(command: string, length: number): number {
  const limit = LIMITS.get(command)
  if (!limit) return 0
  if (length <= limit.most) return Math.min(length, limit.kept)
  throw new ProtocolError(`sent a ${command} message of ${length} bytes, at most ${limit.most} are possible`)
}
