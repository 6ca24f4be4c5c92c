import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SelectionReport } from '@sockman/core'
import { expect } from 'vitest'
import { ended } from './child'

export const IO_URING = { setup: 425, enter: 426, register: 427 }
/** All system calls of io_uring. */
export const ALL = Object.values(IO_URING).join(',')

export const DOCTOR = ['node_modules/sockman/bin/sockman.js', 'doctor']

export const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export const choosing = (options: object, free?: number) => [
  'fixtures/choose.mjs',
  JSON.stringify(options),
  ...(free === undefined ? [] : [String(free)]),
]

/** What `fixtures/choose.mjs` tells. */
export interface Told {
  selection?: SelectionReport
  error?: Record<string, unknown> & { message: string; remedy: string }
}
export const told = (stdout: string) => JSON.parse(stdout) as Told

/** Runs a program of this Node behind a seccomp filter (`fixtures/seccomp.py`). Answers what it wrote. */
export async function filtered(answers: number | string, syscalls: string, program: readonly string[]) {
  return await caged(['python3', at('fixtures/seccomp.py'), String(answers), syscalls], program)
}

/** Runs a program of this Node in a cage: a command that takes a program as its last arguments. Answers what it wrote. */
export async function caged([command, ...cage]: readonly string[], [script, ...args]: readonly string[]) {
  return await answer(command!, [...cage, process.execPath, at(script!), ...args])
}

/** Runs a command that succeeds silently. Answers what it wrote. */
export async function answer(command: string, args: readonly string[]) {
  const { SOCKMAN_BACKEND: _, ...env } = process.env
  const { code, stderr, stdout, signal } = await ended(spawn(command, args, { env, cwd: at('.') }))
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  return stdout
}
