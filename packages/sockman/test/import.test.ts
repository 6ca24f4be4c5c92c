import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { candidates } from '../src'

const exec = promisify(execFile)

/** Notes each module of a backend that is resolved. */
const HOOKS = `
  import { writeSync } from 'node:fs'
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context)
    if (/backend-\\w+\\/dist/.test(found.url)) writeSync(1, 'module ')
    return found
  }`

/** What a process has loaded after `statements`: `module` per module of a backend, `addon` per addon of one. */
async function loadedBy(statements: string): Promise<string[]> {
  const program = `
    import { register } from 'node:module'
    import process from 'node:process'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}))
    ${statements}
    const addons = process.report.getReport().sharedObjects.filter((file) => /backend-\\w+\\/build/.test(file))
    process.stdout.write(addons.map(() => 'addon ').join(''))`
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  const { stdout } = await exec(process.execPath, ['--input-type=module', '--eval', program], { cwd })
  return stdout.trim().split(' ').filter(Boolean)
}

const installed: string[] = []
for (const { name, load } of candidates) if ('probe' in (await load())) installed.push(name)

test.each(['@sockman/core', 'sockman', 'sockman/measure'])('%s loads no backend', async (specifier) => {
  expect(await loadedBy(`await import('${specifier}')`)).toEqual([])
})

test.each(installed)('@sockman/backend-%s loads no addon before its probe', async (name) => {
  const load = `const { backend } = await import('@sockman/backend-${name}')`
  expect(await loadedBy(load)).toEqual(['module'])
  expect(await loadedBy(`${load}; backend.probe()`)).toEqual(['module', 'addon'])
})

test('naming an engine loads no other', async () => {
  const create = `const { createSockMan } = await import('sockman')
    await (await createSockMan({}, { backend: '${installed.at(-1)}', ignoreEnv: true })).stop()`
  expect(await loadedBy(create)).toEqual(['module', 'addon'])
})
