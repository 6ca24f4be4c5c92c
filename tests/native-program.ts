import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** A case for each test of the C++ program `name` (`native/main.cc`); one that is left out says why. */
export function nativeCases(name: string) {
  const program = fileURLToPath(new URL(`build/Release/${name}`, import.meta.url))
  const lines = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  for (const line of lines) {
    const [title = '', leftOut] = line.split('\t')
    test(title, (context) => {
      if (leftOut) context.skip(leftOut)
      check(program, title)
    })
  }
}

function check(program: string, title: string) {
  const { status, signal, stdout, stderr } = spawnSync(program, [title], { encoding: 'utf8' })
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  expect(stdout).toBe(`${title}\n1 passed, 0 failed\n`)
}
