import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Backend } from '@sockman/core'
import { PACKAGES } from '../paths'

const moduleOf = (name: string) => join(PACKAGES, `backend-${name}`, 'dist/index.js')

/** The engines of this checkout: NAME of every `packages/backend-NAME`, sorted. */
export const BACKEND_NAMES: readonly string[] = readdirSync(PACKAGES)
  .filter((folder) => folder.startsWith('backend-') && existsSync(join(PACKAGES, folder, 'package.json')))
  .map((folder) => folder.slice('backend-'.length))
  .sort()

/** A backend by its name. Loads no addon. */
export async function loadBackend(name: string): Promise<Backend> {
  return (await import(pathToFileURL(moduleOf(name)).href)).backend
}

/** A row for every backend and drive; the drive is left out where there is only one. */
export async function engineRows(): Promise<string[]> {
  const built = BACKEND_NAMES.filter((name) => existsSync(moduleOf(name)))
  const backends = await Promise.all(built.map(loadBackend))
  return backends.flatMap(({ name, supports: { drives } }) =>
    drives.length === 1 ? [name] : drives.map((drive) => `${name}:${drive}`),
  )
}
