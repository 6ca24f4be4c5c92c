import { execFile } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NodeTestRun, nodeTest } from './node-test'
import { installOutside, type Outside, workspace } from './pack'

const exec = promisify(execFile)
let outside: Outside

beforeAll(async () => {
  outside = await installOutside(['core'])
})

afterAll(() => outside.remove())

/** Copies the example beside the installed core. Answers the copy's folder. */
function copyExample(name: string): string {
  const folder = join(outside.folder, name)
  for (const part of ['src', 'tests', 'demo.js']) {
    cpSync(workspace(`examples/handshake/${part}`), join(folder, part), { recursive: true })
  }
  return folder
}

test("the handshake example's tests pass beside nothing but a packed core", {
  timeout: 120_000,
}, async () => {
  const { code, passed, failed, output } = await nodeTest(copyExample('as-it-is'), outside.env)
  expect({ code, failed }, output).toEqual({ code: 0, failed: [] })
  expect(passed).toBeGreaterThan(20)
})

// `vitest run -u` writes it anew.
test('its README shows what its demo prints', async () => {
  const { stdout } = await exec(process.execPath, ['demo.js'], { cwd: copyExample('demo'), env: outside.env })
  const file = workspace('examples/handshake/README.md')
  const readme = readFileSync(file, 'utf8')
  const asItIs = readme.replace(/(?<=^\$ node demo\.js\n).*?(?=^```$)/ms, () => stdout)
  await expect(asItIs).toMatchFileSnapshot(file)
})

/** A mistake that a protocol author makes, and how the example's tests show it. */
interface PlantedBug {
  name: string
  file: string
  /** What stands there, and what the mistake makes of it. */
  right: string
  wrong: string
  env?: NodeJS.ProcessEnv
  /** The tests that must notice. */
  caughtBy: string[]
  /** In the message of a failure. */
  says: RegExp
}

const ignoresRoom: PlantedBug = {
  name: 'the answer of send is not looked at',
  file: 'src/handshake-node.js',
  right: '    if (room) return\n',
  wrong: '    return\n',
  caughtBy: ['is answered until there is no room, and then no more: memory stays bounded'],
  says: /\d{6,} bytes wait for a peer that does not read, after \d+ s; at most 81920 may/,
  // Nothing that the seeds could find.
  env: { SEED: '1' },
}

const keepsData: PlantedBug = {
  name: 'data is kept past the callback',
  file: 'src/frame.js',
  right: 'new Uint8Array(rest)',
  wrong: 'rest',
  caughtBy: ['do so byte by byte', '1 000 seeds'],
  says: /gone WRONG_MAGIC/,
}

const bugs = [ignoresRoom, keepsData]

/** Copies the example with a bug in it. Answers the copy's folder. */
function plant({ name, file, right, wrong }: PlantedBug): string {
  const folder = copyExample(name.replaceAll(/\W/g, '-'))
  const source = readFileSync(join(folder, file), 'utf8')
  expect(source.split(right)).toHaveLength(2)
  writeFileSync(join(folder, file), source.replace(right, wrong))
  return folder
}

test.each(bugs)('the planted bug, $name, is caught by the same tests', { timeout: 120_000 }, async (bug) => {
  const { code, failed, output } = await nodeTest(plant(bug), { ...outside.env, ...bug.env })
  expect({ code, failed }).toEqual({ code: 1, failed: expect.arrayContaining(bug.caughtBy) })
  expect(output).toMatch(bug.says)
})

test('a failing seed is printed, and played again it fails with the same events', async () => {
  const folder = plant(keepsData)
  /** What the failed test prints from the seed on: the last events of its network. */
  const events = ({ output }: NodeTestRun, title: string) =>
    new RegExp(`not ok \\d+ - ${title}\\n.*?(play it again: .*?)^ +code:`, 'ms').exec(output)?.[1]
  const first = events(await nodeTest(folder, outside.env), '1 000 seeds')
  const seed = /SEED=(\d+) node --test/.exec(first ?? '')?.[1]
  const again = await nodeTest(folder, { ...outside.env, SEED: seed })
  expect(first).toBeDefined()
  expect(events(again, `seed ${seed}`)).toBe(first)
})
