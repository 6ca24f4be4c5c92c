import type { SockAddr } from '../address'
import { errnoOf, invalidArgument } from '../errors'
import type { Accepted } from '../sock'
import { DynSock, type DynSockOptions } from './dyn-sock'

const CALLS = [
  ...(['send', 'recv', 'connect', 'bind', 'listen', 'accept', 'getsockopt', 'setsockopt'] as const),
  ...(['getsockname', 'getpeername', 'setnonblocking', 'shutdown', 'wait'] as const),
] as const

/** The calls that a script can make fail. A peek is a `recv`. */
export type FaultCall = (typeof CALLS)[number]

/**
 * What happens to which call, counted from 1: the name of an errno, met instead of the call; or, for `send` and `recv`,
 * the most bytes that the call moves. `{ send: { 1: 3, 3: 'EPIPE' } }`: the first send takes three bytes at most, the
 * third one fails.
 */
export type FaultScript = Readonly<Partial<Record<FaultCall, Readonly<Record<number, string | number>>>>>

/** A {@link DynSock} that fails by script. */
export class FaultSock extends DynSock {
  #script: FaultScript
  #counts: Partial<Record<FaultCall, number>> = {}

  /** @throws SockError `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`: the script names no call, no errno, or no count */
  constructor(script: FaultScript, options?: DynSockOptions) {
    super(options)
    checkScript(script)
    this.#script = script
  }

  /** What did not happen (yet), as `send 3: EPIPE`: empty when a test met all it was meant to. */
  get unmet(): string[] {
    return Object.entries(this.#script).flatMap(([call, faults]) =>
      Object.entries(faults)
        .filter(([nth]) => Number(nth) > (this.#counts[call as FaultCall] ?? 0))
        .map(([nth, fault]) => `${call} ${nth}: ${fault}`),
    )
  }

  override beginWait(requested: number): number {
    return this.#meet('wait') ?? super.beginWait(requested)
  }

  protected override sysSend(data: Uint8Array, offset: number, flags: number): number {
    const fault = this.#meet('send') ?? data.length
    return fault < 0 ? fault : super.sysSend(data.subarray(0, offset + fault), offset, flags)
  }

  protected override sysRecv(buffer: Uint8Array, length: number, flags: number): number {
    const fault = this.#meet('recv') ?? length
    return fault < 0 ? fault : super.sysRecv(buffer, Math.min(length, fault), flags)
  }

  protected override sysConnect(address: SockAddr): number {
    return this.#meet('connect') ?? super.sysConnect(address)
  }

  protected override sysBind(address: SockAddr): number {
    return this.#meet('bind') ?? super.sysBind(address)
  }

  protected override sysListen(backlog: number): number {
    return this.#meet('listen') ?? super.sysListen(backlog)
  }

  protected override sysAccept(): Accepted<DynSock> | number {
    return this.#meet('accept') ?? super.sysAccept()
  }

  protected override sysGetSockOpt(level: number, name: number, value: Uint8Array): number {
    return this.#meet('getsockopt') ?? super.sysGetSockOpt(level, name, value)
  }

  protected override sysSetSockOpt(level: number, name: number, value: Uint8Array): number {
    return this.#meet('setsockopt') ?? super.sysSetSockOpt(level, name, value)
  }

  protected override sysGetSockName(): SockAddr | number {
    return this.#meet('getsockname') ?? super.sysGetSockName()
  }

  protected override sysGetPeerName(): SockAddr | number {
    return this.#meet('getpeername') ?? super.sysGetPeerName()
  }

  protected override sysSetNonBlocking(): number {
    return this.#meet('setnonblocking') ?? super.sysSetNonBlocking()
  }

  protected override sysShutdown(how: number): number {
    return this.#meet('shutdown') ?? super.sysShutdown(how)
  }

  protected override sysTake(other: this): void {
    super.sysTake(other)
    this.#script = other.#script
    this.#counts = other.#counts
  }

  /** Counts the call. A negative errno, a positive number of bytes, or undefined when the script has nothing for it. */
  #meet(call: FaultCall): number | undefined {
    const nth = (this.#counts[call] ?? 0) + 1
    this.#counts[call] = nth
    const fault = this.#script[call]?.[nth]
    return typeof fault === 'string' ? -errnoOf(fault) : fault
  }
}

function checkScript(script: FaultScript): void {
  for (const [call, faults] of Object.entries(script)) {
    if (!(CALLS as readonly string[]).includes(call)) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'script', `of the calls ${CALLS.join(', ')}`, call)
    }
    for (const [nth, fault] of Object.entries(faults)) {
      if (!/^[1-9]\d*$/.test(nth)) {
        throw invalidArgument('ERR_OUT_OF_RANGE', `script.${call}`, 'counted from 1', nth)
      }
      if (typeof fault === 'string') errnoOf(fault)
      else if (!Number.isInteger(fault) || fault < 1 || (call !== 'send' && call !== 'recv')) {
        const expected = 'an errno name, or for send and recv a number of bytes from 1'
        throw invalidArgument('ERR_OUT_OF_RANGE', `script.${call}[${nth}]`, expected, fault)
      }
    }
  }
}
