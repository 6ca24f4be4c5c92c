import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetchRuntime, RUNTIMES } from '../scripts/runtimes.mjs'
import { installPublished } from './pack'

const exec = promisify(execFile)
const MINUTES = 600_000

/** The oldest that is supported, the last of each line since, the newest. */
const COMPILERS = ['5.4.5', '5.6.3', '5.9.3', '6.0.3', '7.0.2']
const RESOLUTIONS = { node16: 'node16', nodenext: 'nodenext', esnext: 'bundler' }

/** What a program does with the packages. */
const PROGRAM = `
import { backend } from '@sockman/backend-epoll'
import { type ConnectionId, channels, SockAddr, SockError, type SockMan, type SockManEvents } from '@sockman/core'
import { createMemoryNetwork } from '@sockman/core/memory'
import { MockClock } from '@sockman/core/mock'
import { createSockMan } from 'sockman'

const events: SockManEvents = {
  onAccepted: (_id, me, them, listener) => me.equals(them) || listener.id > 0,
  onData(id, data) {
    const text: string = data.toString('utf8')
    man.send(id, text)
  },
  onEof: undefined,
  onError: (_id: number, error) => console.log(error.code),
}
const man: SockMan = await createSockMan(events, { backend: undefined, receiveBlock: undefined })
const { signal } = new AbortController()
const id: ConnectionId = man.connect({ host: '127.0.0.1', port: 1 }, { signal, timeout: undefined })
man.listen(8333, { events: undefined, keepAlive: 60_000 })
man.listen({ path: '/run/x' })
man.send(id, new Uint16Array(3))
man.setOptions(id, { noDelay: undefined })
man.setEvents(id, { onData: (_id, data: Uint8Array) => void data.length })
for (const each of man.connections()) man.close(each)
createMemoryNetwork({ seed: undefined }).host('10.0.0.1').createSockMan({})
try {
  SockAddr.parse('x')
} catch (error) {
  if (SockError.is(error)) console.log(error.code, error.errno)
}
new MockClock()
backend.probe()
channels.connection.publish({ event: 'closed', backend: 'x', id })
await man[Symbol.asyncDispose]()
`

/** The same without Node: what a test in a browser uses. Bytes are no Buffer there. */
const BROWSER = `
import { SockAddr, type SockManEvents } from '@sockman/core'
import { createMemoryNetwork } from '@sockman/core/memory'

const events: SockManEvents = {
  onData(_id, data: Uint8Array) {
    const read: Uint8Array = data
    // @ts-expect-error: a Uint8Array takes no encoding
    read.toString('utf8')
  },
}
createMemoryNetwork().host('10.0.0.1').createSockMan(events).listen(SockAddr.parse('10.0.0.1:1'))
`

/** What is wrong is refused. */
const MISTAKES = `
import type { SockManEvents } from '@sockman/core'
import { createSockMan } from 'sockman'

// @ts-expect-error: misspelt
export const events: SockManEvents = { onDate() {} }
const man = await createSockMan({})
// @ts-expect-error: a number is no id
man.close(1)
// @ts-expect-error: no option
man.listen(0, { backlogg: 1 })
// @ts-expect-error: no bytes
man.send(man.connect(1), 5)
// @ts-expect-error: no address
man.connect({ host: '127.0.0.1' })
`

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sockman-types-'))
  const compilers = COMPILERS.map((version) => [`typescript-${version}`, `npm:typescript@${version}`])
  await installPublished(folder, { '@types/node': '20.19.43', ...Object.fromEntries(compilers) })
  for (const [name, text] of Object.entries({ program: PROGRAM, browser: BROWSER, mistakes: MISTAKES }))
    writeFileSync(join(folder, `${name}.ts`), text)
}, MINUTES)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const STRICT = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true }

/** What the compiler says of a program. */
async function compiled(version: string, options: object, files: string[]): Promise<string> {
  const config = join(folder, `tsconfig.${version}.${Math.random()}.json`)
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...STRICT, ...options }, files }))
  const compiler = join(folder, 'node_modules', `typescript-${version}`, 'bin/tsc')
  const run = exec(process.execPath, [compiler, '--project', config], { cwd: folder })
  return run.then(
    ({ stdout }) => stdout,
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  )
}

describe.each(COMPILERS)('types under TypeScript %s, libraries checked too', (version) => {
  test.each(Object.entries(RESOLUTIONS))('module %s', async (module, moduleResolution) => {
    const options = { target: 'es2022', lib: ['es2022'], module, moduleResolution, types: ['node'] }
    expect(await compiled(version, options, ['program.ts', 'mistakes.ts'])).toBe('')
  })

  test('without the types of Node: core alone, for a browser', async () => {
    const lib = ['es2023', 'esnext.disposable', 'dom']
    const options = { target: 'es2022', lib, module: 'esnext', moduleResolution: 'bundler', types: [] }
    expect(await compiled(version, options, ['browser.ts'])).toBe('')
  })
})

describe.each(RUNTIMES.filter(({ kind }) => kind === 'node'))('require on Node $version', (runtime) => {
  test('gives what import gives, without a word', async () => {
    const { program } = fetchRuntime(runtime)
    const script = `
      const { createSockMan, SockAddr } = require('sockman')
      const { createMemoryNetwork } = require('@sockman/core/memory')
      const { backend } = require('@sockman/backend-epoll')
      import('sockman').then((imported) => console.log(
        imported.createSockMan === createSockMan, imported.SockAddr === SockAddr, typeof createMemoryNetwork, backend.name))`
    const { stdout, stderr } = await exec(program, ['--eval', script, '--input-type=commonjs'], {
      cwd: folder,
    })
    expect({ stdout, stderr }).toEqual({ stdout: 'true true function epoll\n', stderr: '' })
  })
})
