import { describe, expect, test } from 'vitest'
import { run } from './child'
import { requireRow, rows } from './rows'
import { full } from './size'

const times = full ? 200 : 10
/** Two at a time: one starts while the other is in its traffic. */
const atOnce = 2

/** Ends `times` processes in their traffic, each a little later than the one before. */
async function endings(backend: string, drive: string, how: string) {
  const results: Awaited<ReturnType<typeof run>>[] = []
  const moments = Array.from({ length: times }, (_, n) => 200_000 + (n % 20) * 900_000)
  const lane = async () => {
    for (let bytes = moments.pop(); bytes !== undefined; bytes = moments.pop()) {
      results.push(await run('exit.mjs', [backend, drive, how, String(bytes)]))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return results
}

for (const row of rows) {
  describe(`C11 ${row.name} ends in the middle of traffic`, () => {
    const { backend, drive } = row

    for (const [how, what] of [
      ['exit', 'process.exit inside a callback'],
      ['later', 'process.exit between callbacks'],
      ['worker', 'process.exit under a worker'],
    ] as const) {
      test(`${what}: its own exit code, ${times} times`, async (context) => {
        requireRow(row, context)
        for (const { code, signal, stderr } of await endings(backend.name, drive, how)) {
          expect({ code, signal, stderr }).toEqual({ code: 42, signal: null, stderr: '' })
        }
      })
    }

    test(`an uncaught exception: Node's exit code and its message, ${times} times`, async (context) => {
      requireRow(row, context)
      for (const { code, signal, stderr } of await endings(backend.name, drive, 'throw')) {
        expect({ code, signal }).toEqual({ code: 1, signal: null })
        expect(stderr).toContain('Error: thrown in the middle of traffic')
      }
    })

    test(`worker.terminate, ${times} times: nothing is left, and the process lives on`, async (context) => {
      requireRow(row, context)
      const { code, signal, stdout, stderr } = await run(
        'terminate.mjs',
        [backend.name, drive, String(times)],
        120_000,
      )
      expect({ code, signal, stderr }).toEqual({ code: 42, signal: null, stderr: '' })
      expect(JSON.parse(stdout)).toEqual({ open: [], threads: 0 })
    })
  })
}
