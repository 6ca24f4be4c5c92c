import { describe, expect, test } from 'vitest'
import { run } from './child'
import { backends, requireBackend } from './rows'
import { full } from './size'

const times = full ? 100 : 3
const ENDED = { code: 42, signal: null, stderr: '' }

for (const backend of backends) {
  describe(`Sock of ${backend.name}`, () => {
    test('a wait keeps the process alive, and nothing does when it is over', async (context) => {
      requireBackend(backend, context)
      const { code, signal, stdout, stderr } = await run('waiting.mjs', [backend.name, 'end'])
      expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: '4 0\n', stderr: '' })
    })

    for (const [how, kind, what] of [
      ['exit', 'async', 'process.exit in the middle of waits'],
      ['worker', 'async', 'process.exit in the middle of a worker’s waits'],
      ['worker', 'sync', 'process.exit while a worker blocks in waitSync'],
    ] as const) {
      test(`${what}: its own exit code, ${times} times`, async (context) => {
        requireBackend(backend, context)
        for (let n = 0; n < times; n++) {
          const { code, signal, stderr } = await run('waiting.mjs', [backend.name, how, kind])
          expect({ code, signal, stderr }).toEqual(ENDED)
        }
      })
    }

    test('an uncaught exception in the middle of waits: Node’s exit code and its message', async (context) => {
      requireBackend(backend, context)
      const { code, signal, stderr } = await run('waiting.mjs', [backend.name, 'throw', 'async'])
      expect({ code, signal }).toEqual({ code: 1, signal: null })
      expect(stderr).toContain('Error: thrown in the middle of a wait')
    })

    for (const kind of ['async', 'sync']) {
      test(`worker.terminate in the middle of ${kind} waits: nothing is left open, its Socks included`, async (context) => {
        requireBackend(backend, context)
        const args = [backend.name, kind, String(full ? 200 : 20)]
        const { code, signal, stdout, stderr } = await run('terminate-waiting.mjs', args, 120_000)
        expect({ code, signal, stderr }).toEqual(ENDED)
        expect(JSON.parse(stdout)).toEqual({ open: [], threads: 0 })
      })
    }
  })
}
