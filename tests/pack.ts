import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const PACKAGES = fileURLToPath(new URL('../packages', import.meta.url))

interface Manifest {
  readonly name: string
  readonly private?: boolean
}

/** The folders below `packages/` that are published, sorted. */
export const published: readonly string[] = readdirSync(PACKAGES)
  .filter((folder) => !manifest(folder).private)
  .sort()

/** The name of the package in a folder below `packages/`. */
export function nameOf(folder: string): string {
  return manifest(folder).name
}

/** Packs the package in a folder below `packages/`, as it would be published. Answers the tarball. */
export async function pack(folder: string, destination: string): Promise<string> {
  const args = ['pack', '--json', '--pack-destination', destination]
  const { stdout } = await exec('pnpm', args, { cwd: join(PACKAGES, folder) })
  return (JSON.parse(stdout) as { filename: string }).filename
}

/**
 * Runs npm as a user would in `folder`, whatever package manager runs the tests. Answers what it wrote.
 *
 * @throws what execFile throws, with `stdout` and `stderr`
 */
export async function npm(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const inherited = Object.entries(process.env).filter(
    ([key]) => !/^(npm_(package|lifecycle)_|npm_config_(local_prefix|node_gyp)$|INIT_CWD$)/.test(key),
  )
  return await exec('npm', ['--no-audit', '--no-fund', ...args], {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), ...env },
    maxBuffer: 2 ** 26,
  })
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(PACKAGES, folder, 'package.json'), 'utf8')) as Manifest
}
