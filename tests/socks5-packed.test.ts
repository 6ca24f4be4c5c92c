import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodeTest } from './node-test'
import { installOutside, type Outside, workspace } from './pack'

let outside: Outside

beforeAll(async () => {
  outside = await installOutside(['core'])
})

afterAll(() => outside.remove())

test('the socks5 example beside nothing but a packed core: its tests pass on mocks and in memory', {
  timeout: 120_000,
}, async () => {
  const folder = join(outside.folder, 'socks5')
  for (const part of ['src', 'tests']) {
    cpSync(workspace(`examples/socks5/${part}`), join(folder, part), { recursive: true })
  }
  const { code, passed, failed, output } = await nodeTest(folder, outside.env)
  expect({ code, failed }, output).toEqual({ code: 0, failed: [] })
  expect(passed).toBeGreaterThan(20)
})
