import { SockAddr } from '../address'
import { type Accepted, Sock } from '../sock'
import { MockClock } from './clock'

/** Who a mock's peer claims to be. */
export const MOCK_ADDRESS: SockAddr = SockAddr.parse('5.5.5.5:6789')

const HIGHEST = 2 ** 31 - 1
let count = 0

/** Distinct for as long as it matters, near the top of the range, so that no real descriptor is ever meant. */
const fakeDescriptor = (): number => HIGHEST - (count++ % 2 ** 24)

/** What the mocks share: a clock instead of a kernel, and calls that succeed. */
export abstract class MockSock extends Sock {
  readonly clock: MockClock

  constructor(clock: MockClock = new MockClock(), fd: number = fakeDescriptor()) {
    super(clock, fd)
    this.clock = clock
  }

  /** Which of `requested` and `ErrorEvent` are true now. For the clock. */
  abstract ready(requested: number): number

  /** Called once as a wait begins: as `ready`, or a negative errno that the wait shall meet. For the clock. */
  beginWait(requested: number): number {
    return this.ready(requested)
  }

  /** Whether nobody else can make it ready, so that a wait for it need not be given time. For the clock. */
  get passive(): boolean {
    return false
  }

  protected abstract override sysAccept(): Accepted<Sock> | number

  protected override sysConnect(_address: SockAddr): number {
    return 0
  }

  protected override sysBind(_address: SockAddr): number {
    return 0
  }

  protected override sysListen(_backlog: number): number {
    return 0
  }

  protected override sysGetSockOpt(_level: number, _name: number, value: Uint8Array): number {
    value.fill(0)
    return value.length
  }

  protected override sysSetSockOpt(_level: number, _name: number, _value: Uint8Array): number {
    return 0
  }

  protected override sysGetSockName(): SockAddr | number {
    return MOCK_ADDRESS
  }

  protected override sysGetPeerName(): SockAddr | number {
    return MOCK_ADDRESS
  }

  protected override sysSetNonBlocking(): number {
    return 0
  }

  protected override sysShutdown(_how: number): number {
    return 0
  }
}
