import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** A folder of the workspace, by its path below the root. */
export const workspace = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** Packs `packages/NAME` as it would be published. Resolves to the tarball's path in `folder`. */
export async function pack(name: string, folder: string): Promise<string> {
  const args = ['pack', '--json', '--pack-destination', folder]
  const { stdout } = await exec('pnpm', args, { cwd: workspace(`packages/${name}`) })
  return (JSON.parse(stdout) as { filename: string }).filename
}

/** A project outside the workspace, in a temporary folder of its own. */
export interface Outside {
  folder: string
  /** Knows nothing of this machine's user: an empty home, and where programs are. */
  env: { PATH: string; HOME: string }
  remove(): void
}

/**
 * Makes an empty project and installs packages of the workspace in it, packed, as a user would with npm, but without a
 * registry: no script is run, and what the packages depend on must be among them.
 */
export async function installOutside(names: readonly string[]): Promise<Outside> {
  const root = mkdtempSync(join(tmpdir(), 'sockman-outside-'))
  const [folder, home] = [join(root, 'project'), join(root, 'home')]
  for (const each of [folder, home]) mkdirSync(each)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const env = { PATH: process.env.PATH ?? '', HOME: home }
  const tarballs = await Promise.all(names.map((name) => pack(name, root)))
  const flags = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund']
  await exec('npm', ['install', ...flags, ...tarballs], { cwd: folder, env })
  return { folder, env, remove: () => rmSync(root, { recursive: true, force: true }) }
}

/** The folders below `packages/` that are published, sorted. */
export const published: readonly string[] = readdirSync(workspace('packages'))
  .filter((folder) => !manifest(folder).private)
  .sort()

/** The name of the package in a folder below `packages/`. */
export function nameOf(folder: string): string {
  return manifest(folder).name
}

/**
 * Installs every published package, packed, with npm in `folder`, which has nothing yet, and `others` from the registry. No
 * script is run. All at once and by path: nothing of this project comes from a registry.
 */
export async function installPublished(folder: string, others: Record<string, string> = {}): Promise<void> {
  const packed = join(folder, 'packed')
  mkdirSync(packed)
  const tarballs: Record<string, string> = {}
  for (const each of published) tarballs[nameOf(each)] = `file:${await pack(each, packed)}`
  const overrides = Object.fromEntries(Object.keys(tarballs).map((name) => [name, `$${name}`]))
  const manifest = { private: true, type: 'module', dependencies: { ...tarballs, ...others }, overrides }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  await npm(folder, ['install', '--ignore-scripts'])
}

/** Runs npm as this machine's user would in `folder`, whatever package manager runs the tests; `env` is added. */
export async function npm(
  folder: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const ours = /^(npm_(package|lifecycle)_|npm_config_(local_prefix|node_gyp)$|INIT_CWD$)/
  const inherited = Object.entries(process.env).filter(([key]) => !ours.test(key))
  await exec('npm', ['--no-audit', '--no-fund', ...args], {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), ...env },
    maxBuffer: 2 ** 26,
  })
}

function manifest(folder: string): { readonly name: string; readonly private?: boolean } {
  return JSON.parse(readFileSync(workspace(`packages/${folder}/package.json`), 'utf8'))
}
