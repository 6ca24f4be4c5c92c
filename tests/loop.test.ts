import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const program = fileURLToPath(new URL('build/Release/loop-test', import.meta.url))
const names = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n')

/** The native half without Node and sockets: `native/loop/`. */
describe('SockLoop over a scripted engine', () => {
  test.each(names)('%s', (name) => {
    const { status, signal, stdout, stderr } = spawnSync(program, [name], { encoding: 'utf8' })
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    expect(stdout).toBe(`${name}\n1 passed, 0 failed\n`)
  })
})
