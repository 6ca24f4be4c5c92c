import process from 'node:process'
import type { NativeSockMan } from './native-sock-man'

/**
 * SockMans with a live engine: kept from being collected, and ended before the process is. Environment cleanup hooks
 * do not run on `process.exit()` or an uncaught exception, so an `exit` listener is there while any of them lives.
 */
const running = new Set<NativeSockMan>()

function disposeAll(): void {
  for (const man of running) man.dispose()
}

export function enter(man: NativeSockMan): void {
  if (running.size === 0) process.on('exit', disposeAll)
  running.add(man)
}

export function leave(man: NativeSockMan): void {
  if (running.delete(man) && running.size === 0) process.off('exit', disposeAll)
}
