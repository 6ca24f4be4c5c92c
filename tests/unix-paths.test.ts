import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { run } from './child'
import { requireRow, rows } from './rows'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sockman-paths-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** The files that are left. */
async function left(backend: string, drive: string, how: string): Promise<string[]> {
  const { signal, stderr } = await run('unix-paths.mjs', [backend, drive, how, folder], 30_000)
  expect({ signal, stderr: how === 'throw' ? '' : stderr }).toEqual({ signal: null, stderr: '' })
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
}

for (const row of rows) {
  describe(`C7 ${row.name}: the file of a Unix listener`, () => {
    const { backend, drive } = row

    for (const [how, what] of [
      ['unref', 'an end of the process that had nothing else to do'],
      ['exit', 'process.exit()'],
      ['throw', 'an uncaught exception'],
      ['terminate', 'worker.terminate()'],
    ] as const) {
      test(`${what}: it is removed`, async (context) => {
        requireRow(row, context)
        expect(await left(backend.name, drive, how)).toEqual([])
      })
    }

    test('a relative path and a change of folder: its own file is removed, no other', async (context) => {
      requireRow(row, context)
      expect(await left(backend.name, drive, 'chdir')).toEqual(['other', 'other/own.sock'])
    })

    test('another file in its place stays, and its own under another name', async (context) => {
      requireRow(row, context)
      expect(await left(backend.name, drive, 'replaced')).toEqual(['moved.sock', 'own.sock'])
    })
  })
}
