// Builds the addon in the current package. Runs node-gyp with the headers beside the running Node when they are
// there (pnpm does not pass `nodedir` on), else lets node-gyp fetch them.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const prefix = dirname(dirname(process.execPath))
const nodedir =
  process.env.npm_config_nodedir ?? (existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined)
const gyp = createRequire(join(import.meta.dirname, '../packages/native/package.json')).resolve(
  'node-gyp/bin/node-gyp.js',
)
const args = [
  gyp,
  'rebuild',
  '--jobs=max',
  '--silent',
  ...(nodedir ? [`--nodedir=${nodedir}`] : []),
  ...process.argv.slice(2),
]
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
process.exit(status ?? 1)
