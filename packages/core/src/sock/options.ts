import { invalidArgument } from '../errors'
import { ThreadInterrupt } from '../interrupt'
import { isInstance, isSignal } from '../objects'
import { checkKeys, integer } from '../options'
import { ErrorEvent, RecvEvent, SendEvent } from './constants'

/** What ends a wait early. For a `…Sync` call a ThreadInterrupt: nobody can abort an AbortSignal of a blocked thread. */
export type StopSignal = AbortSignal | ThreadInterrupt

/** Of `wait` and `waitMany`. */
export interface WaitOptions {
  /** Ends the wait with `ABORT_ERR`. */
  signal?: StopSignal | undefined
}

/** Of `sendComplete`. */
export interface SendCompleteOptions extends WaitOptions {
  /** ms for the whole, 0 (one attempt) or more, Infinity included; default 5 000. */
  timeout?: number | undefined
}

/** Of `recvUntilTerminator`. */
export interface RecvUntilTerminatorOptions extends SendCompleteOptions {
  /** Most bytes, the terminator included: 1 to 2^31 - 1, default 65 536. */
  maxData?: number | undefined
  /** The result as a string, invalid UTF-8 an error; bytes without it. */
  encoding?: 'utf8' | undefined
}

/** Whether it is time to stop, and the signal that says when. */
export interface Stop {
  readonly signal: AbortSignal | undefined
  readonly interrupt: ThreadInterrupt | undefined
  stopped(): boolean
}

const NEVER: Stop = { signal: undefined, interrupt: undefined, stopped: () => false }

export function resolveStop(signal: StopSignal | undefined): Stop {
  if (signal === undefined) return NEVER
  if (isInstance(signal, ThreadInterrupt)) {
    const turn = signal.signal
    // Asking `interrupted` aborts `turn` if it is time, also while this thread's event loop stands still.
    const stopped = (): boolean => signal.interrupted || turn.aborted
    return { signal: turn, interrupt: signal, stopped }
  }
  if (isSignal(signal)) {
    return { signal, interrupt: undefined, stopped: () => signal.aborted }
  }
  throw invalidArgument(
    'ERR_INVALID_ARG_TYPE',
    'options.signal',
    'an AbortSignal or a ThreadInterrupt',
    signal,
  )
}

export function resolveWaitOptions(options: WaitOptions = {}): Stop {
  checkKeys('options', options, ['signal'])
  return resolveStop(options.signal)
}

export interface ResolvedSendCompleteOptions {
  readonly timeout: number
  readonly stop: Stop
}

export function resolveSendCompleteOptions(options: SendCompleteOptions = {}): ResolvedSendCompleteOptions {
  checkKeys('options', options, ['timeout', 'signal'])
  return { timeout: timeoutOption(options.timeout), stop: resolveStop(options.signal) }
}

export interface ResolvedRecvOptions extends ResolvedSendCompleteOptions {
  readonly maxData: number
  readonly text: boolean
}

export function resolveRecvOptions(options: RecvUntilTerminatorOptions = {}): ResolvedRecvOptions {
  checkKeys('options', options, ['timeout', 'signal', 'maxData', 'encoding'])
  const { encoding } = options
  if (encoding !== undefined && encoding !== 'utf8')
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'options.encoding', "'utf8'", encoding)
  return {
    timeout: timeoutOption(options.timeout),
    stop: resolveStop(options.signal),
    maxData: integer('options.maxData', options.maxData, { byDefault: 65536, min: 1, max: 2 ** 31 - 1 }),
    text: encoding !== undefined,
  }
}

const timeoutOption = (value: unknown): number =>
  value === undefined ? 5000 : checkTimeout('options.timeout', value)

/** @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` (negative, NaN) */
export function checkTimeout(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a number of ms', value)
  if (!(value >= 0)) throw invalidArgument('ERR_OUT_OF_RANGE', name, '0 ms or more', value)
  return value
}

/** @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (value === undefined) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a number', value)
  return integer(name, value, { byDefault: min, min, max })
}

/** @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function checkEvents(name: string, value: unknown): number {
  return checkInteger(name, value, 0, RecvEvent | SendEvent | ErrorEvent)
}
