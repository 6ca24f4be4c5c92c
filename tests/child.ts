import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** How a process ended, and what it said. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

/** Starts a fixture: a `.mjs` in this Node, a `.py` in Python. One that hangs is killed and so ends with SIGKILL. */
export function start(
  name: string,
  args: readonly string[],
  { stdio = 'pipe' as StdioOptions, timeout = 60_000 } = {},
) {
  const program = name.endsWith('.py') ? 'python3' : process.execPath
  return spawn(program, [fixture(name), ...args], { stdio, timeout, killSignal: 'SIGKILL' })
}

/** Resolves when `child` has ended and its pipes are drained. */
export function ended(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

/** Runs a fixture to its end. */
export function run(name: string, args: readonly string[], timeout?: number): Promise<Ended> {
  return ended(start(name, args, timeout === undefined ? {} : { timeout }))
}
