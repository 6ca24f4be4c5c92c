import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../bin/sockman.js', import.meta.url))

/** Starts the built command, without SOCKMAN_BACKEND unless `env` has it; `detached`, as a terminal does: a group of its own. */
export function start(
  args: readonly string[],
  { env = {} as NodeJS.ProcessEnv, detached = false } = {},
): ChildProcess {
  const { SOCKMAN_BACKEND: _, ...inherited } = process.env
  return spawn(process.execPath, [CLI, ...args], {
    env: { ...inherited, ...env },
    detached,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Resolves when it has ended and its pipes are drained. */
export async function end(child: ChildProcess) {
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  }
  const [code] = await once(child, 'close')
  return { code: code as number | null, ...said }
}

export const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => end(start(args, { env }))
