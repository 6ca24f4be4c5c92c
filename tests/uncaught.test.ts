import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = `
  import { SockAddr } from '@sockman/core'
  SockAddr.parse('nowhere')
`

test('an error that nobody catches is shown by the name it has', async () => {
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: import.meta.dirname,
  })
  const { stderr } = (await run.catch((error: unknown) => error)) as { stderr: string }
  expect(stderr).toMatch(/^SockError: .*nowhere/m)
})
