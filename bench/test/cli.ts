import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))

/** The built command, running. */
export class Cli {
  readonly #child
  #stdout = ''
  #stderr = ''
  readonly #waiting = new Set<() => void>()

  /** @param env beside this process's own; SOCKMAN_BLOCKS is taken out so that a machine's blocks change no test */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const { SOCKMAN_BLOCKS: _, ...inherited } = process.env
    this.#child = spawn(process.execPath, [CLI, ...args], {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stdout.on('data', (text) => this.#on(() => (this.#stdout += text)))
    this.#child.stderr.on('data', (text) => this.#on(() => (this.#stderr += text)))
    this.#child.once('close', () => this.#on(() => {}))
  }

  get pid(): number {
    return this.#child.pid!
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for its output to match; fails when it ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr)
      if (match) return match
      expect(this.#child.exitCode, `ended without saying ${pattern}: ${this.#stderr}`).toBeNull()
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  async end(): Promise<{ code: number | null; stdout: string; stderr: string }> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close')
    return { code: this.#child.exitCode, stdout: this.#stdout, stderr: this.#stderr }
  }

  #on(take: () => void): void {
    take()
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}

export async function runCli(
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return await new Cli(args).end()
}

/** The processes that a running command has started, newest last. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
