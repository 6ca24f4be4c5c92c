// Which thread may do what (packages/native/include/sockman/roles.h), and values that are cut, checked by clang.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { quiet } from './child.mjs'
import { at, backendNames } from './workspace.mjs'

const require = createRequire(import.meta.url)
/** Values in smaller types go through narrow.h, which asserts that they fit. */
const REFUSED = ['-Werror=thread-safety', '-Wconversion', '-Werror=conversion']
const MISUSES = 'tests/native/roles/misuses.cc'

/** The C++ files below `folder`, a path below the root; paths likewise. */
const sources = (folder) =>
  readdirSync(at(folder), { recursive: true })
    .filter((file) => file.endsWith('.cc'))
    .map((file) => `${folder}/${file}`)

/** Where node-gyp takes Node's headers from: beside Node, or where it has put those that it fetched for a build. */
function nodeHeaders() {
  const folders = [require('../packages/native/gyp.cjs').nodeFolder()]
  for (const name of backendNames()) {
    const built = at(`packages/backend-${name}/build/config.gypi`)
    if (existsSync(built)) folders.push(/"nodedir": "([^"]*)"/.exec(readFileSync(built, 'utf8'))?.[1])
  }
  return folders
    .filter(Boolean)
    .map((folder) => `${folder}/include/node`)
    .find((folder) => existsSync(`${folder}/node_api.h`))
}

/** What node-gyp defines for an addon, and what the io_uring backend's own binding.gyp adds. */
function definitions() {
  const [, list] = /'defines': \[(.*)\]/.exec(readFileSync(at('packages/native/engine.gypi'), 'utf8'))
  const common = list.match(/[^',\s]+/g)
  return [...common, 'NODE_GYP_MODULE_NAME=addon', 'SOCKMAN_LIBURING_VERSION=""'].map((name) => `-D${name}`)
}

/** Whether each of two checks passed: of what is there, and that clang still refuses misuses; or why they are skipped. */
export async function checkRoles(env) {
  const headers = nodeHeaders()
  if (!headers) return { skipped: "Node's headers are not here: npm run build fetches them" }
  const { headers: own, addonApi } = require('../packages/native/include.cjs')
  const engines = backendNames().filter((name) => name !== 'iouring' || env.SOCKMAN_LIBURING === 'yes')
  // The tests of the engines are left out: one thread plays both roles there, and clang 14 does not take a structured
  // binding in a lambda.
  const folders = [...engines.map((name) => `packages/backend-${name}/src`), 'tests/native/loop']
  const flags = ['-std=c++20', '-fsyntax-only', '-Wno-everything', '-Wthread-safety', `-I${own}`]
  const addon = [...definitions(), '-isystem', headers, '-isystem', addonApi]
  return [
    await quiet(
      'clang, roles and conversions',
      'clang++',
      [...flags, ...REFUSED, ...addon, ...folders.flatMap(sources)],
      { env },
    ),
    await quiet('clang, misuses of roles', 'clang++', [...flags, '-Xclang', '-verify', MISUSES], { env }),
  ]
}
