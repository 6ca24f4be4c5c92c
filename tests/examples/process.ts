// Starts programs of examples/programs as a reader does: with `node`, on the engine that SOCKMAN_BACKEND names.
import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { ended } from '../child'
import { workspace } from '../pack'
import { requireRow, rows } from '../rows'
import { linesOf } from './streams'

/** Starts a file, by its path below the root, or what Node's own options say. Who hangs ends with SIGKILL. */
type Run = (file: string, ...args: string[]) => ReturnType<typeof started>

function started(row: string, file: string, args: string[]) {
  const env = { ...process.env, SOCKMAN_BACKEND: row }
  const first = file.startsWith('--') ? file : workspace(file)
  const child = spawn(process.execPath, [first, ...args], {
    env,
    cwd: workspace('tests'),
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  return { child, line: linesOf(child.stdout), end: ended(child) }
}

/** Runs a case on every row; `run` starts a process on that row. */
export function asProcess(title: string, body: (run: Run) => Promise<void>): void {
  for (const row of rows) {
    test(`as a process, ${title}: ${row.name}`, async (context) => {
      requireRow(row, context)
      await body((file, ...args) => started(row.name, file, args))
    })
  }
}

/** A server's first line is `says`, an address, and what it runs on; SIGTERM ends it. */
export function listensAsProcess(file: string, says: string, ...args: string[]): void {
  asProcess('it says where it listens', async (run) => {
    const { child, line, end } = run(file, '127.0.0.1:0', ...args)
    expect(await line()).toMatch(new RegExp(`^${says}127\\.0\\.0\\.1:[1-9]\\d*\\b`))
    child.kill('SIGTERM')
    expect(await end).toMatchObject({ stderr: '' })
  })
}
