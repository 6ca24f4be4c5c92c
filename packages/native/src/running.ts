import process from 'node:process'

/** Something with a thread or handles of its own. */
export interface Running {
  /** Ends it now, blocking until it is at rest. Again: harmless. */
  dispose(): void
}

/**
 * SockMans with a live engine, and what waits for Socks: kept from being collected, and ended before the process is, by
 * an `exit` listener that is there while any of them lives (docs/native.md, N21).
 */
const running = new Set<Running>()

function disposeAll(): void {
  for (const run of running) run.dispose()
}

export function enter(run: Running): void {
  if (running.size === 0) process.on('exit', disposeAll)
  running.add(run)
}

export function leave(run: Running): void {
  if (running.delete(run) && running.size === 0) process.off('exit', disposeAll)
}
