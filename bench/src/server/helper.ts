import { type ChildProcess, type IOType, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { BenchError } from '../errors'

/** A native program of this package, running. Owned by who spawned it. */
export interface Helper {
  readonly process: ChildProcess
  /** Its end in words (`exit code 1`, `signal SIGKILL`); never rejects. */
  readonly ended: Promise<string>
  /** Closes its stdin, which ends it, and waits. Again: harmless. */
  stop(): Promise<void>
}

/** @throws BenchError when the program is not built */
export function spawnHelper(program: string, args: string[], stdio: (IOType | 'pipe')[]): Helper {
  if (!existsSync(program)) {
    throw new BenchError(`${program} is not built: run "pnpm --filter @sockman/bench run build:native"`)
  }
  const process = spawn(program, args, { stdio })
  const ended = endOf(process)
  // A write to a helper that has just ended is told by `ended`, not by EPIPE.
  process.stdin?.on('error', () => {})
  return {
    process,
    ended,
    async stop() {
      process.stdin?.end()
      await ended
    },
  }
}

/** A child's end in words; never rejects. */
export function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`))
  })
}
