import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { meetInMemory } from '@sockman/example-handshake/meet-in-memory'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest'

let folder: string
let bundle: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sockman-chromium-'))
  await build({
    entry: { page: fileURLToPath(new URL('fixtures/handshake-page.js', import.meta.url)) },
    config: false,
    outDir: folder,
    format: 'esm',
    platform: 'browser',
    noExternal: [/.*/],
    metafile: true,
    silent: true,
  })
  bundle = readFileSync(join(folder, 'page.js'), 'utf8')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Skips the case where there is no Chromium, and says how to get it. */
function requireChromium(context: TestContext): void {
  const { error } = spawnSync('chromium', ['--version'])
  if (error) context.skip('chromium is not installed: apt-get install -y chromium')
}

/** Opens a page in a browser of its own, which finds no host but this one. */
function openInChromium(url: string): ChildProcess {
  const flags = [
    '--headless',
    '--no-sandbox', // it refuses to run as root otherwise
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    `--user-data-dir=${join(folder, 'profile')}`,
  ]
  // Its helpers share the pipe, so that `close` comes when the last of them has ended and nobody writes to the profile.
  const chromium = spawn('chromium', [...flags, url], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  chromium.stderr?.resume()
  return chromium
}

test('the bundle of core, its memory network and the example holds nothing else', () => {
  const { inputs, outputs } = JSON.parse(readFileSync(join(folder, 'metafile-esm.json'), 'utf8'))
  for (const output of Object.values<{ imports: unknown[] }>(outputs)) expect(output.imports).toEqual([])
  const foreign = (path: string) => !/(^fixtures|packages\/core\/dist|examples\/handshake\/src)\//.test(path)
  expect(Object.keys(inputs).filter(foreign)).toEqual([])
})

/** What a page of `server` sends it with POST; any GET is answered with the page. */
function servePage(server: Server): Promise<unknown> {
  return new Promise((resolve) => {
    server.on('request', (request, response) => {
      if (request.method === 'POST') resolve(json(request))
      const script = request.url === '/page.js'
      response.setHeader('content-type', script ? 'text/javascript' : 'text/html')
      response.end(script ? bundle : '<!doctype html><script type="module" src="/page.js"></script>')
    })
  })
}

test('the example shakes hands in Chromium, event for event as in Node', async (context) => {
  requireChromium(context)
  const server = createServer()
  const said = servePage(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const seed = randomInt(2 ** 31)
  const chromium = openInChromium(`http://127.0.0.1:${(server.address() as AddressInfo).port}/?seed=${seed}`)
  const ended = once(chromium, 'close')
  try {
    const inPage = await Promise.race([said, ended])
    const inNode: string[] = []
    await meetInMemory(seed, (line) => inNode.push(line))
    expect({ seed, lines: inPage }).toEqual({ seed, lines: inNode })
  } finally {
    if (chromium.exitCode === null) process.kill(-chromium.pid!, 'SIGKILL')
    await ended
    server.closeAllConnections()
    server.close()
  }
})
