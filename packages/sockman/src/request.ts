import process from 'node:process'
import {
  type Candidate,
  type Choice,
  type Drive,
  invalidArgument,
  parseRow,
  type Requirements,
  type Row,
  resolveSockManOptions,
  rowOptions,
  SockError,
  type SockManOptions,
  selectBackend,
  type Unavailable,
} from '@sockman/core'
import { candidates } from './candidates'

/** What is asked for, before anything is known about the machine. */
export interface Request {
  /** Who asked. */
  readonly source: 'option' | 'SOCKMAN_BACKEND' | 'default'
  readonly row: Row
  /** Drive and settings of the row. */
  readonly options: SockManOptions
}

/**
 * The option `backend`, else the environment variable `SOCKMAN_BACKEND`, else `auto`. The only place that reads the
 * environment; an empty variable is none.
 *
 * @throws SockError `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_UNKNOWN_OPTION`, `ERR_OUT_OF_RANGE`: no row
 */
export function readRequest(backend: string | undefined, ignoreEnv: boolean): Request {
  if (backend !== undefined) {
    if (typeof backend !== 'string')
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options.backend', 'a string', backend)
    return parse('option', backend)
  }
  const wanted = ignoreEnv ? undefined : process.env.SOCKMAN_BACKEND
  if (!wanted) return parse('default', 'auto')
  try {
    return parse('SOCKMAN_BACKEND', wanted)
  } catch (error) {
    throw fromEnvironment(error as SockError)
  }
}

/** An engine that its probe has passed and that could not be created all the same. */
export interface Refused {
  readonly name: string
  readonly why: Unavailable
}

/**
 * @param refused unavailable, whatever their probes say
 * @throws SockError what `selectBackend` throws, telling when it was the environment that asked
 */
export async function choose(
  { source, row }: Request,
  drive: Drive | undefined,
  require?: Requirements,
  refused: readonly Refused[] = [],
): Promise<Choice> {
  const left = candidates.map((candidate): Candidate => {
    const why = refused.find(({ name }) => name === candidate.name)?.why
    return why ? { name: candidate.name, load: async () => why } : candidate
  })
  try {
    return await selectBackend(left, { name: row.name, drive, require })
  } catch (error) {
    const { code } = error as SockError
    if (source !== 'SOCKMAN_BACKEND' || code !== 'ERR_BACKEND_UNAVAILABLE') throw error
    throw fromEnvironment(error as SockError)
  }
}

function parse(source: Request['source'], text: string): Request {
  const row = parseRow(text)
  const options = rowOptions(row)
  resolveSockManOptions(options)
  return { source, row, options }
}

/** Whoever reads the error may not know of the variable. */
function fromEnvironment(error: SockError): SockError {
  return new SockError(`SOCKMAN_BACKEND: ${error.message}`, { ...error, cause: error })
}
