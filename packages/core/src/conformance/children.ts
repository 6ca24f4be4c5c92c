import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Facts } from './harness'

/** A process that runs one scenario of `child.ts`. */
export interface Child {
  /** Its next line on standard output; rejects, with how it ended, once there is none. */
  line(): Promise<string>
  /** The other end of its descriptor 3, a connected Unix stream socket. */
  readonly socket: Duplex
  /** Writes a line to that socket, and answers the next one on standard output, which is JSON. */
  ask<T>(command: string): Promise<T>
  /** Whether it has not ended yet. */
  readonly running: boolean
  /** Its exit code, or the signal that ended it, and what it said on standard error. */
  readonly end: Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>
  /** Ends it, if it runs, and resolves when its descriptors are gone. */
  close(): Promise<unknown>
}

/**
 * Starts `child.js` beside this file: plain Node, the backend's built module, no test runner.
 *
 * @param descriptors the most it may have open (`RLIMIT_NOFILE`), default as many as this process
 */
export function runChild(
  { specifier, drive }: Facts,
  scenario: string,
  args: readonly string[],
  descriptors?: number,
): Child {
  if (!specifier) throw new Error('no specifier: the case should have been skipped')
  const file = fileURLToPath(new URL('./child.js', import.meta.url))
  const argv = [specifier.module, specifier.export ?? 'backend', drive, scenario, ...args]
  const command = [process.execPath, file, ...argv]
  const env = { ...process.env }
  if (descriptors !== undefined) {
    command.unshift('sh', '-c', LIMITED, 'sh', `${descriptors}`, env.LD_PRELOAD ?? '')
    env.LD_PRELOAD = ''
  }
  const child = spawn(command[0]!, command.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  const socket = child.stdio[3] as Duplex
  const closed = once(socket, 'close')
  let running = true
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const end = once(child, 'close').then(([code, signal]) => {
    running = false
    return { code, signal, stderr }
  })
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (!done) return value
    const { code, signal } = await end
    throw new Error(`the process of '${scenario}' ended with ${signal ?? code} and no such line: ${stderr}`)
  }
  return {
    line,
    socket,
    ask: async (command) => {
      socket.write(`${command}\n`)
      return JSON.parse(await line())
    },
    get running() {
      return running
    },
    end,
    close: () => {
      child.kill('SIGKILL')
      socket.destroy()
      return Promise.all([end, closed])
    },
  }
}

/**
 * Runs a command with at most $1 descriptors: both limits, for Node raises the soft one to the hard one when it starts.
 * What is preloaded (a sanitizer's runtime, which shells do not survive) is for the command only.
 */
const LIMITED = 'ulimit -n "$1" && LD_PRELOAD=$2 && shift 2 && exec "$@"'
