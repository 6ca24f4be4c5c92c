import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backendNames } from '../scripts/workspace.mjs'

const exec = promisify(execFile)
const backends = backendNames().map((name) => `backend-${name}`)
const packages = ['core', 'native', ...backends]
let folder: string

/** Where a package is installed in the temporary folder. */
const installed = (name: string) => join(folder, 'node_modules/@sockman', name)

/** What `import`ing a backend that has no addon, probing it and creating a SockMan come to. */
const program = (name: string) => `
  import { backend } from '@sockman/${name}'
  const tell = ({ name, code, backend, reason, message, remedy }) => ({ name, code, backend, reason, message, remedy })
  const probe = backend.probe()
  try {
    backend.createSockMan({})
    console.log(JSON.stringify({ probe }))
  } catch (error) {
    console.log(JSON.stringify({ probe, error: tell(error) }))
  }
`

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sockman-packed-'))
  for (const name of packages) {
    const cwd = fileURLToPath(new URL(`../packages/${name}`, import.meta.url))
    const { stdout } = await exec('pnpm', ['pack', '--json', '--pack-destination', folder], { cwd })
    const { filename } = JSON.parse(stdout) as { filename: string }
    mkdirSync(installed(name), { recursive: true })
    await exec('tar', ['-xzf', filename, '-C', installed(name), '--strip-components=1'])
  }
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.each(packages)('@sockman/%s, packed', (name) => {
  test('carries the licence, a README and no workspace range', () => {
    expect(readFileSync(join(installed(name), 'LICENSE'), 'utf8')).toContain('MIT License')
    expect(readFileSync(join(installed(name), 'README.md'), 'utf8')).toContain(`# @sockman/${name}`)
    expect(readFileSync(join(installed(name), 'package.json'), 'utf8')).not.toContain('workspace:')
  })
})

describe.each(backends)('@sockman/%s without its addon', (name) => {
  test('imports; probe and createSockMan say that it is not built', async () => {
    const args = ['--input-type=module', '--eval', program(name)]
    const { stdout } = await exec(process.execPath, args, { cwd: folder })
    const { probe, error } = JSON.parse(stdout)
    expect(probe).toMatchObject({ available: false, reason: 'ERR_NOT_BUILT' })
    expect(probe.message).toMatch(/^not built: /)
    expect(probe.remedy).not.toBe('')
    expect(error).toMatchObject({
      name: 'SockError',
      code: 'ERR_BACKEND_UNAVAILABLE',
      backend: name.slice('backend-'.length),
      reason: 'ERR_NOT_BUILT',
      remedy: probe.remedy,
    })
  })
})
