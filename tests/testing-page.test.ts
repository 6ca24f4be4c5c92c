import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodeTest } from './node-test'
import { installOutside, type Outside, workspace } from './pack'

const page = readFileSync(workspace('docs/testing.md'), 'utf8')

/** The code blocks of the page in one language. */
const blocks = (language: string): string[] =>
  [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter((block) => block[1] === language)
    .map((block) => block[2]!)

/** Writes the page's files: a block whose first line is `// NAME.js` begins one, those after it go on with it. */
function writeFiles(folder: string): void {
  const files = new Map<string, string>()
  let name = ''
  for (const block of blocks('js')) {
    name = /^\/\/ (\S+\.js)\n/.exec(block)?.[1] ?? name
    files.set(name, `${files.get(name) ?? ''}${block}\n`)
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  for (const [file, source] of files) writeFileSync(join(folder, file), source)
}

let outside: Outside

beforeAll(async () => {
  outside = await installOutside(['core'])
})

afterAll(() => outside.remove())

test('its tests pass beside nothing but a packed core', async () => {
  const folder = join(outside.folder, 'page')
  writeFiles(folder)
  const { code, passed, failed, output } = await nodeTest(folder, outside.env)
  expect({ code, failed }, output).toEqual({ code: 0, failed: [] })
  expect(passed).toBe(
    blocks('js')
      .join('')
      .match(/^test\(/gm)?.length,
  )
})

/** Takes away what all lines are indented by. */
function unindented(text: string): string {
  const lines = text.split('\n')
  const indent = Math.min(...lines.map((line) => line.search(/\S/)))
  return lines.map((line) => line.slice(indent)).join('\n')
}

/** What `node --test` says once `right` in `echo.js` has become `wrong`. */
async function outputWith(right: string, wrong: string): Promise<string> {
  const folder = join(outside.folder, `with-${wrong.replaceAll(/\W/g, '')}`)
  writeFiles(folder)
  const echo = join(folder, 'echo.js')
  const source = readFileSync(echo, 'utf8')
  expect(source.split(right)).toHaveLength(2)
  writeFileSync(echo, source.replace(right, wrong))
  return (await nodeTest(folder, outside.env)).output
}

// `vitest run -u` writes them anew.
test('the failures that it shows are what its mistakes come to', async () => {
  const neverPaused = await outputWith('if (!room) man.pause(id)', '')
  const kept = await outputWith('Buffer.from(data.subarray(end))', 'data.subarray(end)')
  const shown = [
    /\d+ bytes wait after \d+ s/.exec(neverPaused),
    /^ *\+ '.*\n *- '.*$/m.exec(kept),
    /^ *memory network: seed .*(\n .* (before|B))+$/m.exec(kept),
  ].map((match) => unindented(match?.[0] ?? 'not there'))
  expect(page).toContain(`SEED=${/seed (\d+)/.exec(shown[2]!)?.[1]} node --test`)
  const asItIs = page.replaceAll(/^```text\n.*?^```$/gms, () => `\`\`\`text\n${shown.shift()}\n\`\`\``)
  await expect(asItIs).toMatchFileSnapshot(workspace('docs/testing.md'))
})

test('its program echoes over a native engine', async () => {
  // Where Node finds the workspace's packages.
  const folder = mkdtempSync(join(workspace('tests/node_modules'), '.page-'))
  writeFiles(folder)
  const child = spawn(process.execPath, ['main.js'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const socket = connect(Number(/:(\d+)$/.exec(line)?.[1]), '127.0.0.1')
    socket.end('one\ntwo\nthr')
    expect(await text(socket)).toBe('one\ntwo\n')
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})
