// The packages of this workspace, read without any dependency: this runs before anything is installed.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The absolute path of something below the checkout's root; the root itself without arguments. */
export const at = (...path) => join(root, ...path)

/** The parsed manifest in `folder`, a path below the root. */
export const manifest = (folder) => JSON.parse(readFileSync(at(folder, 'package.json'), 'utf8'))

/**
 * Folders of the workspace's packages below the root, sorted. Reads the plain list that `pnpm-workspace.yaml` has
 * under `packages:`, where an entry is a folder or ends in `/*`.
 */
export function packageFolders() {
  const [, list] = /^packages:\n((?:[ ]+- .*\n)+)/m.exec(readFileSync(at('pnpm-workspace.yaml'), 'utf8'))
  const entries = list.match(/[^\s-]\S*/g)
  return entries
    .flatMap((entry) => {
      if (!entry.endsWith('/*')) return [entry]
      const parent = entry.slice(0, -2)
      return readdirSync(at(parent)).map((name) => `${parent}/${name}`)
    })
    .filter((folder) => existsSync(at(folder, 'package.json')))
    .sort()
}

/**
 * Folders of the packages whose tests vitest runs. Those of the examples are run as their readers run them, with
 * `node --test` on packed packages, by `tests/`.
 */
export const testedFolders = () =>
  packageFolders().filter((folder) => manifest(folder).scripts?.test && !folder.startsWith('examples/'))

/**
 * The engines: NAME of every `packages/backend-NAME`, sorted.
 *
 * @returns {string[]}
 */
export function backendNames() {
  return packageFolders()
    .filter((folder) => folder.startsWith('packages/backend-'))
    .map((folder) => folder.slice('packages/backend-'.length))
}
