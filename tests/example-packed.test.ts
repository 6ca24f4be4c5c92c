import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodeTest } from './node-test'
import { installOutside, type Outside, workspace } from './pack'

let outside: Outside

beforeAll(async () => {
  outside = await installOutside(['core'])
})

afterAll(() => outside.remove())

/** Copies the example beside the installed core. Answers the copy's folder. */
function copyExample(name: string): string {
  const folder = join(outside.folder, name)
  for (const part of ['src', 'tests']) {
    cpSync(workspace(`examples/handshake/${part}`), join(folder, part), { recursive: true })
  }
  return folder
}

describe('the handshake example beside nothing but a packed core', () => {
  test('its tests pass with node --test', async () => {
    const { code, passed, failed, output } = await nodeTest(copyExample('as-it-is'), outside.env)
    expect({ code, failed }, output).toEqual({ code: 0, failed: [] })
    expect(passed).toBeGreaterThan(20)
  })
})

/** A mistake that a protocol author makes, and the tests that must notice. */
interface PlantedBug {
  name: string
  file: string
  /** What stands there, and what the mistake makes of it. */
  right: string
  wrong: string
  caughtBy: string[]
  /** Part of a failure's message. */
  says: RegExp
}

const bugs: PlantedBug[] = [
  {
    name: 'send without looking at its answer',
    file: 'src/handshake-node.js',
    right: 'const room = this.#man.send(connection.id, encode(this.#magic, command, payload))',
    wrong: 'const room = this.#man.send(connection.id, encode(this.#magic, command, payload)) || true',
    caughtBy: ['is answered until there is no room, and then no more: memory stays bounded'],
    says: /\d{6,} bytes wait for a peer that does not read/,
  },
  {
    name: 'data kept past the callback',
    file: 'src/frame.js',
    right: 'this.#begun = rest.slice()',
    wrong: 'this.#begun = rest',
    caughtBy: ['do so byte by byte', '1 000 seeds'],
    says: /WRONG_MAGIC|BAD_CHECKSUM/,
  },
]

describe.each(bugs)('the planted bug: $name', ({ name, file, right, wrong, caughtBy, says }) => {
  test('is caught by the same tests, which say how to play it again', async () => {
    const folder = copyExample(name.replaceAll(' ', '-'))
    const source = readFileSync(join(folder, file), 'utf8')
    expect(source.split(right)).toHaveLength(2)
    writeFileSync(join(folder, file), source.replace(right, wrong))
    const first = await nodeTest(folder, outside.env)
    expect(first.code).toBe(1)
    expect(first.failed).toEqual(expect.arrayContaining(caughtBy))
    expect(first.output).toMatch(says)
  })
})
