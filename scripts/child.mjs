// Child processes: one that speaks to the user, one that is heard only when it fails, and one that speaks to us.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import { at } from './workspace.mjs'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Set once the user asked to stop: whatever is running ends by itself and nothing new is started. */
let interrupted

/**
 * Resolves to the exit code of `child`, 128 + n when signal n ended it. Meanwhile signals to this process are the
 * child's: a terminal has sent it Ctrl-C already, from anywhere else we pass it on.
 */
function ended(child) {
  const forward = (signal) => {
    interrupted ??= signal
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  for (const signal of SIGNALS) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  }).finally(() => {
    for (const signal of SIGNALS) process.off(signal, forward)
  })
}

function stopIfInterrupted() {
  if (!interrupted) return
  process.stderr.write(`${interrupted}\n`)
  process.exit(128 + constants.signals[interrupted])
}

/** Runs a program on our own stdin, stdout and stderr. Resolves to its exit code, 128 + n when a signal ended it. */
export function attached(command, args, { cwd = at(), env } = {}) {
  return ended(spawn(command, args, { cwd, env, stdio: 'inherit' }))
}

/**
 * Runs a program without input and shows all that it wrote once it has ended: several at once mix no lines. Resolves to
 * its exit code, 128 + n when a signal ended it. A signal to this process is theirs, and no further one is started.
 */
export async function grouped(command, args, { cwd = at(), env } = {}) {
  if (interrupted) return 128 + constants.signals[interrupted]
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk))
  const code = await ended(child)
  process.stdout.write(Buffer.concat(output))
  return code
}

/**
 * Runs a program in the root and shows one line on stderr, `label … 1.2 s`, and everything it wrote when it fails.
 * Resolves to whether it succeeded. A signal to this process ends both.
 */
export async function quiet(label, command, args, { env } = {}) {
  process.stderr.write(`${label} … `)
  const start = performance.now()
  const child = spawn(command, args, { cwd: at(), env, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk))
  const code = await ended(child)
  stopIfInterrupted()
  process.stderr.write(
    `${code === 0 ? '' : 'failed, '}${((performance.now() - start) / 1000).toFixed(1)} s\n`,
  )
  if (code !== 0) process.stderr.write(`\n${Buffer.concat(output)}\n`)
  return code === 0
}

/**
 * Runs a program in the root and hands each line of its standard output to `heard`, which answers within how many ms
 * the next one must come, else the program is killed; `patience` is that for the first. Resolves to how it ended, in
 * words, and its standard error. A signal to this process ends both.
 */
export async function lines(command, args, { env, patience, heard }) {
  const child = spawn(command, args, { cwd: at(), env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  let hung = ''
  let timer
  const expect = (ms) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      hung = `nothing to say for ${ms} ms`
      child.kill('SIGKILL')
    }, ms)
  }
  expect(patience)
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  createInterface({ input: child.stdout }).on('line', (line) => expect(heard(line)))
  const code = await ended(child).finally(() => clearTimeout(timer))
  stopIfInterrupted()
  return { how: hung || `exit code ${code}`, stderr }
}
