import process from 'node:process'
import type { RunState } from './run-state'

/**
 * SockMans with a live engine: kept from being collected, and ended before the process is. Environment cleanup hooks
 * do not run on `process.exit()` or an uncaught exception, so an `exit` listener is there while any of them lives.
 */
const running = new Set<RunState>()

function disposeAll(): void {
  for (const run of running) run.dispose()
}

export function enter(run: RunState): void {
  if (running.size === 0) process.on('exit', disposeAll)
  running.add(run)
}

export function leave(run: RunState): void {
  if (running.delete(run) && running.size === 0) process.off('exit', disposeAll)
}
