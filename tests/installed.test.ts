import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ProbeResult, SockError } from '@sockman/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installPublished, nameOf, npm, published } from './pack'

const exec = promisify(execFile)
const MINUTES = 600_000

const backends = published.filter((folder) => folder.startsWith('backend-'))
let folder: string

/** Runs a module in the folder; what it writes is JSON. */
async function run<T>(program: string): Promise<T> {
  const args = ['--input-type=module', '--eval', program]
  const { stdout, stderr } = await exec(process.execPath, args, { cwd: folder })
  expect(stderr).toBe('')
  return JSON.parse(stdout) as T
}

/** What `import`ing, probing, creating a SockMan and asking for Socks come to. */
const look = (name: string) =>
  run<{ probe: ProbeResult; error?: Partial<SockError>; socks?: Partial<SockError> }>(`
    import { backend } from '${name}'
    const tell = ({ name, code, backend, reason, message, remedy }) => ({ name, code, backend, reason, message, remedy })
    const answer = { probe: backend.probe() }
    try {
      await backend.createSockMan({}).stop()
    } catch (error) {
      answer.error = tell(error)
    }
    try {
      for (const sock of backend.socks.pair()) sock.close()
    } catch (error) {
      answer.socks = tell(error)
    }
    console.log(JSON.stringify(answer))`)

/** Bytes there and back over every drive that works, beside `node:net`. `create` evaluates to a SockMan of `drive`. */
const echo = (imports: string, create: string) =>
  run<{ drive: string; backend: string; echoed: string }[]>(`
    import { once } from 'node:events'
    import { connect } from 'node:net'
    ${imports}
    const answers = []
    for (const drive of backend.probe().drives) {
      const events = { onData: (id, data) => man.send(id, data), onEof: (id) => man.close(id, { flush: true }) }
      const man = await ${create}
      const { address: { host, port } } = man.listen('127.0.0.1:0')
      const socket = connect({ host, port }).setEncoding('utf8')
      socket.end('here and back')
      let echoed = ''
      socket.on('data', (text) => { echoed += text })
      await once(socket, 'close')
      await man.stop()
      answers.push({ drive: man.selection.drive, backend: man.selection.backend, echoed })
    }
    console.log(JSON.stringify(answers))`)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sockman-installed-'))
  await installPublished(folder)
}, MINUTES)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Where a package is installed. */
const installed = (name: string, path: string) => join(folder, 'node_modules', name, path)

describe.each(published.map(nameOf))('%s, packed', (name) => {
  test('carries the licence, a README and no workspace range', () => {
    expect(readFileSync(installed(name, 'LICENSE'), 'utf8')).toContain('MIT License')
    expect(readFileSync(installed(name, 'README.md'), 'utf8')).toContain(`# ${name}`)
    expect(readFileSync(installed(name, 'package.json'), 'utf8')).not.toContain('workspace:')
  })
})

describe.each(backends)('%s, installed', (backend) => {
  const name = nameOf(backend)
  const unavailable = (message: RegExp) => {
    const error = {
      name: 'SockError',
      code: 'ERR_BACKEND_UNAVAILABLE',
      backend: backend.slice('backend-'.length),
      reason: 'ERR_NOT_BUILT',
      message: expect.stringMatching(message),
      remedy: expect.stringContaining(`npm rebuild ${name}`),
    }
    const probe = { available: false, reason: 'ERR_NOT_BUILT', message: expect.stringMatching(message) }
    return { probe, error, socks: error }
  }

  test('without install scripts: imports, and says that they did not run', async () => {
    expect(await look(name)).toMatchObject(unavailable(/not built: its install script did not run/))
  })

  test('where it cannot be built: the installation works, and the probe has the reason', async () => {
    await npm(folder, ['rebuild', name], { CXX: '/nowhere/c++', MAKE: '/nowhere/make' })
    const answer = await look(name)
    expect(answer).toMatchObject(unavailable(/not built: /))
    expect(readFileSync(installed(name, 'build/not-built.txt'), 'utf8').split('\n', 1)[0]).not.toBe('')
    expect((answer.probe as { message: string }).message).not.toContain('install script')
  })
})

describe.concurrent.each(backends)('%s, installed', (backend) => {
  const name = nameOf(backend)

  // A compiler takes one core, whatever there is: two at a time.
  test(
    'builds, and carries bytes',
    async (context) => {
      const { expect } = context
      await npm(folder, ['rebuild', name])
      const { probe } = await look(name)
      if (!probe.available) {
        // What only this machine lacks: a library, or the kernel's leave.
        expect(probe.reason).not.toBe('ERR_LOAD_FAILED')
        if (probe.reason === 'ERR_NOT_BUILT') expect(probe.message).toMatch(/not built: \w+ is missing/)
        context.skip(`${name}: ${probe.message}`)
        return
      }
      const alone = await echo(
        `import { backend } from '${name}'`,
        'backend.createSockMan(events, { drive })',
      )
      expect(alone.map(({ drive }) => drive)).toEqual(probe.drives)
      for (const { echoed } of alone) expect(echoed).toBe('here and back')
    },
    MINUTES,
  )
})

test('sockman finds the engines that are installed beside it', async () => {
  const built: string[] = []
  for (const backend of backends) {
    const name = backend.slice('backend-'.length)
    const { probe } = await look(nameOf(backend))
    if (probe.available || probe.reason !== 'ERR_NOT_BUILT') built.push(backend)
    if (!probe.available) continue
    const answers = await echo(
      `import { backend } from '${nameOf(backend)}'\nimport { createSockMan } from 'sockman'`,
      `createSockMan(events, { backend: '${name}', drive })`,
    )
    expect(answers.length).toBeGreaterThan(0)
    for (const answer of answers) expect(answer).toMatchObject({ backend: name, echoed: 'here and back' })
  }
  const { stdout } = await exec(join(folder, 'node_modules/.bin/sockman'), ['doctor', '--json'], {
    cwd: folder,
  })
  const { findings } = JSON.parse(stdout) as { findings: { name: string; supported: boolean }[] }
  const supported = findings.filter((finding) => finding.supported).map(({ name }) => `backend-${name}`)
  expect(supported.sort()).toEqual(built)
})

test('core and native import alone', async () => {
  expect(
    await run(
      "import { SockAddr } from '@sockman/core'\nconsole.log(JSON.stringify(SockAddr.parse('[::1]:1').host))",
    ),
  ).toBe('::1')
  expect(
    await run(
      "import { nativeBackend } from '@sockman/native'\nconsole.log(JSON.stringify(typeof nativeBackend))",
    ),
  ).toBe('function')
})
