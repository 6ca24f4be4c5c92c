// Builds the addon in the current package.
import { spawnSync } from 'node:child_process'
import { nodeGyp, rebuild } from '../packages/native/gyp.cjs'

const args = [nodeGyp(), ...rebuild(), '--silent', ...process.argv.slice(2)]
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
process.exit(status ?? 1)
