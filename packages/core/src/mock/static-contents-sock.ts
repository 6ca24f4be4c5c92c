import type { Accepted } from '../sock'
import { MSG_PEEK } from '../sock/constants'
import type { MockClock } from './clock'
import { MOCK_ADDRESS } from './mock-sock'
import { ZeroSock } from './zero-sock'

/** Serves given bytes, then the end of the stream; sends are swallowed. */
export class StaticContentsSock extends ZeroSock {
  #rest: Uint8Array

  /** @param contents a string as UTF-8; bytes are not copied */
  constructor(contents: Uint8Array | string, clock?: MockClock) {
    super(clock)
    this.#rest = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents
  }

  /** What was not received yet. */
  get rest(): Uint8Array {
    return this.#rest
  }

  protected override sysRecv(buffer: Uint8Array, length: number, flags: number): number {
    const served = this.#rest.subarray(0, length)
    buffer.set(served)
    if ((flags & MSG_PEEK) === 0) this.#rest = this.#rest.subarray(served.length)
    return served.length
  }

  /** A Sock that is at the end of its stream. */
  protected override sysAccept(): Accepted<StaticContentsSock> | number {
    return { sock: new StaticContentsSock('', this.clock), them: MOCK_ADDRESS }
  }

  protected override sysTake(other: this): void {
    this.#rest = other.#rest
  }
}
