/** What a peer did wrong: the peer is dropped with the message. */
export class ProtocolError extends Error {}

/** A peer that has a chain and relays nothing sends a handful; an `addr` has 30 KB, the largest message 4 MB. */
const MESSAGES = 1000
const BYTES = 8_000_000

/**
 * What a peer may send beside what it was asked for, until it answers the next time: pings, announcements, whatever is not known
 * here. Nothing of it is kept, but reading it takes time and answering it memory.
 */
export class Allowance {
  #messages = MESSAGES
  #bytes = BYTES

  /** The peer has answered. */
  renew(): void {
    this.#messages = MESSAGES
    this.#bytes = BYTES
  }

  /** @throws ProtocolError when the message is one too many */
  spend(command: string, bytes: number): void {
    this.#messages--
    this.#bytes -= bytes
    if (this.#messages >= 0 && this.#bytes >= 0) return
    const much = this.#messages < 0 ? `${MESSAGES} messages` : `${BYTES} bytes`
    throw new ProtocolError(
      `sent more than ${much} that nobody asked for, the last a ${command}, and no answer`,
    )
  }
}
