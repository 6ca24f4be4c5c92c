import type { Accepted } from '../sock'
import { MOCK_ADDRESS, MockSock } from './mock-sock'

/** Everything succeeds: sends are swallowed, zeros come without end, and whatever is waited for has occurred. */
export class ZeroSock extends MockSock {
  override ready(requested: number): number {
    return requested
  }

  override get passive(): boolean {
    return true
  }

  protected override sysSend(data: Uint8Array, offset: number, _flags: number): number {
    return data.length - offset
  }

  protected override sysRecv(buffer: Uint8Array, length: number, _flags: number): number {
    buffer.fill(0, 0, length)
    return length
  }

  protected override sysAccept(): Accepted<ZeroSock> | number {
    return { sock: new ZeroSock(this.clock), them: MOCK_ADDRESS }
  }
}
