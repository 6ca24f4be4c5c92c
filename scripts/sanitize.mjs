// npm run sanitize -- thread|address [WHAT …]: the C++ tests, then the conformance suite on each engine, built with a
// sanitizer; what was built before is built again afterwards. The sanitizer's runtime is preloaded into Node, which is
// not built with it. The last line is `N passed, N failed`.
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { backendNames } from './workspace.mjs'

const root = join(import.meta.dirname, '..')
const [kind, ...names] = process.argv.slice(2)
const library = { thread: 'libtsan.so', address: 'libasan.so' }[kind]
const known = ['native', ...backendNames()]
const unknown = names.filter((name) => !known.includes(name))
if (!library || unknown.length > 0) {
  console.error(`usage: npm run sanitize -- thread|address [WHAT …], of ${known.join(', ')} (default: all)`)
  process.exit(2)
}
const options = {
  // Node and V8 are not instrumented, and JavaScript's own order (the Atomics of event-ring.ts) is not seen: what they
  // read and write is left out, what the addon does with it is not. The argument for JavaScript stands in event_ring.h.
  TSAN_OPTIONS: 'ignore_noninstrumented_modules=1 exitcode=66 history_size=7',
  ASAN_OPTIONS: 'detect_leaks=1 exitcode=66',
  LSAN_OPTIONS: `suppressions=${join(root, 'scripts/lsan.supp')} print_suppressions=0`,
}
const flags = {
  thread: '-fsanitize=thread -g -O1 -fno-omit-frame-pointer',
  address: '-fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O1 -fno-omit-frame-pointer',
}[kind]

function build(folder, flags) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/node-gyp.mjs')], {
    cwd: join(root, folder),
    env: { ...process.env, CXXFLAGS: flags, LDFLAGS: flags },
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}

/** Builds `folder` with the sanitizer, runs `commands`, builds `folder` as it was; whether all of them ended well. */
function sanitized(name, folder, commands, env) {
  build(folder, flags)
  const results = commands.map(([file, ...args]) => {
    const run = { cwd: root, stdio: 'inherit', env: { ...process.env, ...options, ...env } }
    const { status } = spawnSync(file, args, run)
    console.log(`${kind} sanitizer, ${name}: ${status === 0 ? 'clean' : `exit code ${status}`}`)
    return status === 0
  })
  build(folder, '')
  return results.every(Boolean)
}

function preload() {
  const found = execFileSync(process.env.CXX || 'g++', [`-print-file-name=${library}`], { encoding: 'utf8' })
  return { LD_PRELOAD: found.trim() }
}

const wanted = names.length > 0 ? names : known
const clean = wanted.filter((name) => {
  if (name === 'native') {
    const programs = ['loop-test', 'engine-contract-test'].map((program) => [
      `tests/build/Release/${program}`,
    ])
    return sanitized('C++ tests', 'tests', programs, {})
  }
  const suite = [process.execPath, '--expose-gc', 'scripts/suite.mjs', join(root, 'packages'), name]
  return sanitized(name, `packages/backend-${name}`, [suite], preload())
})
console.log(`${clean.length} passed, ${wanted.length - clean.length} failed`)
process.exit(clean.length === wanted.length ? 0 : 1)
