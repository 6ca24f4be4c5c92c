import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, test } from 'vitest'

let directory: string
let bundle: string
let memory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sockman-'))
  const source = (path: string): string =>
    JSON.stringify(fileURLToPath(new URL(`../src/${path}`, import.meta.url)))
  const lines = [`export * from ${source('index.ts')}`, `export * as mock from ${source('mock/index.ts')}`]
  writeFileSync(join(directory, 'entry.ts'), lines.join('\n'))
  await build({
    entry: {
      core: join(directory, 'entry.ts'),
      memory: fileURLToPath(new URL('../src/memory/index.ts', import.meta.url)),
    },
    config: false,
    outDir: directory,
    format: 'iife',
    globalName: 'core',
    platform: 'browser',
    noExternal: [/.*/],
    metafile: true,
    silent: true,
  })
  bundle = readFileSync(join(directory, 'core.global.js'), 'utf8')
  memory = readFileSync(join(directory, 'memory.global.js'), 'utf8')
}, 30_000)

afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('core and its mocks bundle for a browser and imports nothing', () => {
  const { inputs, outputs } = JSON.parse(readFileSync(join(directory, 'metafile-iife.json'), 'utf8'))
  for (const output of Object.values<{ imports: unknown[] }>(outputs)) expect(output.imports).toEqual([])
  expect(Object.keys(inputs).length).toBeGreaterThan(5)
  expect(Object.keys(inputs).filter((path) => path.includes('node_modules'))).toEqual([])
})

test('the bundle runs where there is no process, no Buffer and no require', () => {
  const page = createContext({ TextEncoder, AbortSignal })
  runInContext(bundle, page)
  const run = (code: string): unknown => runInContext(code, page)
  expect(run('typeof process + typeof Buffer + typeof require')).toBe('undefinedundefinedundefined')
  expect(run("core.SockAddr.parse('[2001:DB8::1]:8333').toString()")).toBe('[2001:db8::1]:8333')
  expect(run("core.SockAddr.parse('unix:@name').path")).toBe('@name')
  expect(run("try { core.SockAddr.parse('localhost:1') } catch (error) { error.code }")).toBe(
    'ERR_INVALID_ADDRESS',
  )
  expect(run('core.resolveConnectOptions({ timeout: 1 }).timeout')).toBe(1)
  expect(run("core.formatRow(core.parseRow('iouring:inline'))")).toBe('iouring:inline')
  expect(run('core.channels.connection.publish({}), core.channels.connection.hasSubscribers')).toBe(false)
})

test('a memory network runs there too, without setImmediate', async () => {
  const page = createContext({ TextEncoder, AbortSignal, MessageChannel, setTimeout, queueMicrotask })
  // The bundles share a global name: this one takes the place of the other.
  runInContext(memory, page)
  const got = await runInContext(
    `(async () => {
      const network = core.createMemoryNetwork({ seed: 1 })
      const received = []
      const server = network.host().createSockMan({ onData: (id, data) => void received.push(...data) })
      server.listen('10.0.0.1:1')
      const client = network.host().createSockMan({ onConnected: (id) => void client.send(id, Uint8Array.of(1, 2, 3)) })
      client.connect('10.0.0.1:1')
      await network.run()
      await Promise.all([server.stop(), client.stop()])
      return received.join()
    })()`,
    page,
  )
  expect(got).toBe('1,2,3')
})

test('Sock, its mocks and their clock run there too', async () => {
  const page = createContext({
    TextEncoder,
    TextDecoder,
    AbortController,
    AbortSignal,
    setTimeout,
    queueMicrotask,
  })
  runInContext(bundle, page)
  const run = (code: string): unknown => runInContext(code, page)
  const line = `(async () => {
    const [one, two] = core.mock.DynSock.pair()
    const line = two.recvUntilTerminator(10, { encoding: 'utf8' })
    await one.sendComplete('hello\\n')
    return line
  })()`
  expect(await run(line)).toBe('hello')
  const timeout = `(async () => {
    const sock = new core.mock.DynSock()
    return [await sock.wait(1e6, core.RecvEvent), sock.now()].join()
  })()`
  expect(await run(timeout)).toBe('0,1000000')
  // No Symbol.dispose in this page, so the one that compiled code falls back to.
  expect(run('typeof Symbol.dispose')).toBe('undefined')
  const disposed =
    "(() => { const s = new core.mock.ZeroSock(); s[Symbol.for('Symbol.dispose')](); return s.empty })()"
  expect(run(disposed)).toBe(true)
  expect(run('core.mock.ZeroSock.name + new core.ThreadInterrupt().signal.aborted')).toMatch(/ZeroSockfalse$/)
  const seed = 'new core.mock.FuzzedSock(7).isConnected().connected'
  expect(run(seed)).toBeTypeOf('boolean')
})

test('without SharedArrayBuffer an interrupt works in its own thread, and says that it cannot be shared', () => {
  const page = createContext({ TextEncoder, AbortController, AbortSignal })
  runInContext('delete globalThis.SharedArrayBuffer', page)
  runInContext(bundle, page)
  const run = (code: string): unknown => runInContext(code, page)
  expect(run('const i = new core.ThreadInterrupt(); i.interrupt(); i.interrupted && i.signal.aborted')).toBe(
    true,
  )
  expect(run('try { i.share() } catch (error) { error.code }')).toBe('ERR_NOT_SHARED')
})
