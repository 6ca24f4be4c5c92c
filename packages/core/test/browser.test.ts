import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
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
  await build({
    entry: {
      core: fileURLToPath(new URL('../src/index.ts', import.meta.url)),
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

test('core bundles for a browser and imports nothing', () => {
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
