import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('the code about mock Socks and Socks in memory in the README runs as it stands there', () => {
  const root = new URL('..', import.meta.url)
  const readme = readFileSync(new URL('README.md', root), 'utf8')
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!)
  const checked = blocks.filter((block) => block.includes("from 'node:assert/strict'"))
  expect(checked.length).toBe(2)
  for (const code of checked) {
    const args = ['--input-type=module', '--eval', `${code}\nconsole.log('done')\n`]
    // The package's own name leads to its built files from its own folder.
    expect(execFileSync(process.execPath, args, { cwd: fileURLToPath(root), encoding: 'utf8' })).toBe(
      'done\n',
    )
  }
})
