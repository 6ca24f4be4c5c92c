// `npm test`, `npm run bench`, `soak`, `test:install`, `test:apps`, `test:nodes`, `build`, `lint`, `format`: from a checkout and Node alone. Checks
// the machine, installs and builds what changed, then does the task. Needs no dependency itself.
import { delimiter } from 'node:path'
import { attached } from './child.mjs'
import { install } from './install.mjs'
import { format, lint } from './lint.mjs'
import { nodes } from './nodes.mjs'
import { testAll } from './pool.mjs'
import { checkRequirements } from './requirements.mjs'
import { forget, summarize } from './summary.mjs'
import { turbo } from './turbo.mjs'
import { at, testedFolders } from './workspace.mjs'

/** Each takes the environment and the user's arguments and resolves to the exit code. */
const TASKS = {
  /** Arguments go to vitest: `npm test -- -t C12`. */
  test(env, args) {
    return test(env, args, testedFolders())
  },

  /** What is packed, installed and built somewhere else. Arguments go to vitest. */
  install(env, args) {
    return test({ ...env, SOCKMAN_TIER: 'install' }, args, ['tests'])
  },

  /** Programs over every engine. Arguments go to vitest. */
  apps(env, args) {
    return test({ ...env, SOCKMAN_TIER: 'apps' }, args, ['tests'])
  },

  /** Arguments are the bench's; paths among them are relative to where the user stands, not to the root. */
  async bench(env, args) {
    if (!(await build(env, ['@sockman/bench...', '@sockman/backend-*...']))) return 1
    return attached(process.execPath, [at('bench/dist/cli.js'), ...args], { cwd: process.env.INIT_CWD, env })
  },

  /** Arguments are the soak's. */
  async soak(env, args) {
    if (!(await build(env, ['@sockman/soak...', '@sockman/backend-*...']))) return 1
    return attached(process.execPath, [at('soak/dist/cli.js'), ...args], { cwd: process.env.INIT_CWD, env })
  },

  /** Arguments are those of `nodes.mjs`. */
  nodes(env, args) {
    return nodes(env, args, (env) => build(env, ['./packages/*']))
  },

  async build(env) {
    return (await build(env)) ? 0 : 1
  },

  async lint(env) {
    return (await lint(env)) ? 0 : 1
  },

  async format(env) {
    return (await format(env)) ? 0 : 1
  },
}

async function test(env, args, folders) {
  if (!(await build(env))) return 1
  forget()
  const reporters = ['--reporter=default', `--reporter=${at('scripts/tally.mjs')}`]
  const code = await testAll(folders, [...reporters, ...args], env)
  return summarize(code, folders, { narrowed: args.length > 0 })
}

const build = (env, filter = []) => turbo('building', ['build', 'build:native'], filter, env)

const [name, ...args] = process.argv.slice(2)
const task = Object.hasOwn(TASKS, name ?? '') ? TASKS[name] : undefined
if (!task) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(TASKS).join('|')} [arguments]`)
  process.exit(2)
}
const env = {
  ...process.env,
  ...checkRequirements(),
  // For the build cache: an addon of other headers is another one.
  SOCKMAN_HEADERS: process.versions.node.split('.')[0],
  PATH: `${at('node_modules/.bin')}${delimiter}${process.env.PATH}`,
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
}
process.exitCode = (await install()) ? await task(env, args) : 1
