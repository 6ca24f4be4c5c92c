import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { candidates } from '../src'
import type { Diagnosis } from '../src/doctor/diagnosis'
import { end, run, start } from './cli'

const names = candidates.map(({ name }) => name)

async function json(env?: NodeJS.ProcessEnv) {
  const { code, stdout, stderr } = await run(['doctor', '--json'], env)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as Diagnosis & Record<string, unknown>
}

describe('wrong usage: usage on stderr and exit code 2', () => {
  test.each([
    [[], /Usage: sockman/],
    [['nonsense'], /unknown command 'nonsense'[\s\S]*Usage: sockman/],
    [['--frobnicate'], /unknown option '--frobnicate'[\s\S]*Usage: sockman/],
    [['doctor', '--frobnicate'], /unknown option '--frobnicate'[\s\S]*Usage: sockman doctor/],
    [['doctor', 'who'], /too many arguments[\s\S]*Usage: sockman doctor/],
  ])('%j', async (args, usage) => {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(usage)
  })
})

test.each([
  [['--help'], /Usage: sockman[\s\S]*doctor[\s\S]*SOCKMAN_BACKEND[\s\S]*Exit codes/],
  [['doctor', '--help'], /--json[\s\S]*--measure/],
  [['--version'], /^\d+\.\d+\.\d+\n$/],
])('%j', async (args, text) => {
  const { code, stdout, stderr } = await run(args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(text)
})

test('the table has every engine, then what would run, then the machine', async () => {
  const { code, stdout, stderr } = await run(['doctor'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  for (const name of names) expect(stdout).toMatch(new RegExp(`^│ ${name} +│ (yes|no) +│ (yes|no) `, 'm'))
  expect(stdout).toMatch(/createSockMan\(\) would run \w+:\w+: the first that works of/)
  expect(stdout).toContain(`Node ${process.version}, libuv ${process.versions.uv}, liburing `)
  expect(stdout).toMatch(/descriptors +at most \d+, hard limit \d+; select only below FD_SETSIZE 1024/)
  expect(stdout).toMatch(
    /receive pool 4 MiB, L2 cache |receive pool 4 MiB; the size of the L2 cache is unknown/,
  )
})

test('--json has it all, the three sets nested', async () => {
  const { findings, outcome, machine, ...others } = await json()
  expect(others).toMatchObject({ schemaVersion: 1, fdSetSize: 1024, receivePool: 4 << 20, measurement: null })
  expect(findings.map(({ name }) => name)).toEqual(names)
  for (const { supported, available, chosen, drives, problem } of findings) {
    expect(available && !supported).toBe(false)
    expect(chosen && !available).toBe(false)
    expect(drives.length > 0).toBe(available)
    expect(problem === null).toBe(available)
    if (problem) for (const text of Object.values(problem)) expect(text).not.toBe('')
  }
  const chosen = findings.filter((finding) => finding.chosen)
  expect(chosen).toHaveLength(1)
  expect(outcome).toEqual({
    source: 'default',
    row: `${chosen[0]!.name}:${chosen[0]!.drives[0]}`,
    error: null,
  })
  expect(machine.kernel).toMatch(/^Linux \d/)
  const limits = /Max open files +(\d+) +(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))!
  expect(machine.descriptors?.hard).toBe(Number(limits[2]))
})

test.each([
  ['nope', 'ERR_BACKEND_UNAVAILABLE', 'ERR_UNKNOWN_BACKEND', /known are iouring/],
  ['poll:fast', 'ERR_INVALID_ARG_VALUE', null, null],
  ['poll:receivePol=8M', 'ERR_UNKNOWN_OPTION', null, null],
])('SOCKMAN_BACKEND=%s is reported, not a failure', async (SOCKMAN_BACKEND, code, reason, remedy) => {
  const { outcome, findings } = await json({ SOCKMAN_BACKEND })
  expect(outcome).toMatchObject({ source: 'SOCKMAN_BACKEND', row: null, error: { code, reason } })
  if (remedy) expect(outcome.error?.remedy).toMatch(remedy)
  expect(outcome.error?.message).toMatch(/^SOCKMAN_BACKEND: /)
  expect(findings.some(({ chosen }) => chosen)).toBe(false)
  const { code: exit, stdout } = await run(['doctor'], { SOCKMAN_BACKEND })
  expect(exit).toBe(0)
  expect(stdout).toContain(`createSockMan() would throw ${code}: SOCKMAN_BACKEND: `)
})

test('SOCKMAN_BACKEND that names something decides', async () => {
  const { outcome, findings, receivePool } = await json({ SOCKMAN_BACKEND: 'poll:receivePool=8M' })
  expect(outcome).toEqual({ source: 'SOCKMAN_BACKEND', row: 'poll:thread:receivePool=8M', error: null })
  expect(findings.filter(({ chosen }) => chosen).map(({ name }) => name)).toEqual(['poll'])
  expect(receivePool).toBe(8 << 20)
})

test.each([
  ['SIGINT', 130, 1, 'to it alone'],
  ['SIGTERM', 143, 1, 'to it alone'],
  ['SIGINT', 130, 2, 'to the terminal'],
] as const)(
  '%s ends a measurement and what it has started (%i, trial %i, %s)',
  async (signal, code, trial, whom) => {
    const doctor = start(['doctor', '--measure'], { detached: true })
    // Its processes write to the same stderr: the end of that is the end of all of them.
    const ended = end(doctor)
    doctor.stderr!.on('data', (text: string) => {
      if (text.includes(`measuring ${trial} of`))
        process.kill(whom === 'to the terminal' ? -doctor.pid! : doctor.pid!, signal)
    })
    const { code: exit, stdout, stderr } = await ended
    expect({ exit, stdout }).toEqual({ exit: code, stdout: '' })
    expect(stderr.trim().split('\n')).toHaveLength(trial)
  },
)
