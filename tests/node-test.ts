import { execFile } from 'node:child_process'

/** How `node --test` ended, and what it said. */
export interface NodeTestRun {
  code: number | string | undefined
  passed: number
  /** Titles of the tests and suites that failed. */
  failed: string[]
  /** As TAP; the message of a failed test stands under its title. */
  output: string
}

/** Runs `node --test` in `cwd` to its end, at most two minutes. */
export function nodeTest(cwd: string, env: NodeJS.ProcessEnv): Promise<NodeTestRun> {
  const args = ['--test', '--test-reporter=tap']
  const options = { cwd, env, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) =>
      resolve({
        code: error ? (error.code ?? error.signal) : 0,
        passed: Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0),
        failed: [...stdout.matchAll(/^ *not ok \d+ - (.*)$/gm)].map(([, title]) => title!),
        output: stdout + stderr,
      }),
    )
  })
}
