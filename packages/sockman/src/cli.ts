import process from 'node:process'
import { CommanderError } from 'commander'
import { MeasureError } from './measure'
import { run } from './program'

// Ctrl-C ends what was started on the way out; a second one ends this process at once.
const interrupt = new AbortController()
let signalExit = 0
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    signalExit = code
    interrupt.abort(new MeasureError('interrupted'))
  })
}

try {
  await run(process.argv.slice(2), interrupt.signal)
} catch (error) {
  // A terminal's Ctrl-C goes to the children, too, and that of a child's end may be told before the signal of this process.
  await new Promise((resolve) => setImmediate(resolve))
  process.exitCode = exitCodeOf(error)
}

/** Says what went wrong: 2 for the command line, 1 for the run, 130 and 143 for signals. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // it has said so itself
  if (signalExit !== 0) return signalExit
  console.error(error instanceof MeasureError ? `error: ${error.message}` : error)
  return 1
}
