// The workspace's dependencies, installed when a manifest or the lock file changed and not otherwise.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { quiet } from './child.mjs'
import { at, manifest, packageFolders } from './workspace.mjs'

/** Holds the hash of what the last complete installation was made from. Gone with node_modules. */
const STAMP = at('node_modules/.install-stamp')

function wanted() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`)
  const manifests = ['.', ...packageFolders()].map((folder) => `${folder}/package.json`)
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    hash.update(`${file}\n`).update(readFileSync(at(file)))
  }
  return hash.digest('hex')
}

/** Installs what the lock file says, through npx and the pnpm that package.json names. Resolves to success. */
export async function install() {
  const hash = wanted()
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash) return true
  rmSync(STAMP, { force: true })
  const { packageManager } = manifest('.')
  const done = await quiet(
    'installing dependencies',
    'npx',
    ['-y', packageManager, 'install', '--frozen-lockfile'],
    {
      env: process.env,
    },
  )
  if (done) writeFileSync(STAMP, hash)
  return done
}
