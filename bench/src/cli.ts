#!/usr/bin/env node
import { CommanderError } from 'commander'
import { BenchError, UsageError } from './errors'
import { createProgram } from './program'

// Ctrl-C ends children and server on the way out; a second one ends this process at once.
const interrupt = new AbortController()
let signalExit = 0
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    signalExit = code
    interrupt.abort(new BenchError('interrupted'))
  })
}

try {
  process.exitCode = await createProgram(interrupt.signal)(process.argv.slice(2))
} catch (error) {
  // A terminal's Ctrl-C goes to the children, too, and that of a child's end may be told before the signal of this process.
  await new Promise((resolve) => setImmediate(resolve))
  process.exitCode = exitCodeOf(error)
}

/** Says what went wrong: 2 for the command line, 1 for the run, 130 and 143 for signals. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // it has said so itself
  if (signalExit !== 0) return signalExit
  if (error instanceof UsageError) {
    console.error(`error: ${error.message}\nsee: bench --help`)
    return 2
  }
  console.error(
    error instanceof BenchError || (error as Error).name === 'SockError'
      ? `error: ${(error as Error).message}`
      : error,
  )
  return 1
}
