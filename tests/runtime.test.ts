import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/** What a probe comes to in a process that takes itself for another runtime, and whether the addon was loaded for it. */
const program = (runtime: string) => `
  Object.defineProperty(process, 'versions', { value: { ...process.versions, ${runtime}: '1.0.0' } })
  const { backend } = await import(${JSON.stringify(import.meta.resolve('../packages/backend-libuv/dist/index.js'))})
  const probe = backend.probe()
  let code
  try { backend.createSockMan({}) } catch (error) { code = error.code }
  const loaded = process.report.getReport().sharedObjects.some((path) => path.endsWith('libuv.node'))
  console.log(JSON.stringify({ probe, code, loaded }))
`

test.each(['bun', 'deno'])(
  'in %s, whose uv functions abort, it is unavailable and not loaded',
  async (runtime) => {
    const args = ['--input-type=module', '--eval', program(runtime)]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const { probe, code, loaded } = JSON.parse(stdout)
    expect(probe).toMatchObject({
      available: false,
      reason: 'ERR_UNSUPPORTED_RUNTIME',
    })
    expect(probe.message).toContain(runtime)
    expect(code).toBe('ERR_BACKEND_UNAVAILABLE')
    expect(loaded).toBe(false)
  },
)
