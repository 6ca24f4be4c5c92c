// npm run sanitize -- thread|address [BACKEND …]: builds the addons with a sanitizer, runs the conformance suite on
// them, and builds them as they were. The sanitizer's runtime is preloaded, since Node itself is not built with it.
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { backendNames } from './workspace.mjs'

const root = join(import.meta.dirname, '..')
const [kind, ...names] = process.argv.slice(2)
const library = { thread: 'libtsan.so', address: 'libasan.so' }[kind]
if (!library) {
  console.error(`usage: npm run sanitize -- thread|address [BACKEND …], of ${backendNames().join(', ')}`)
  process.exit(2)
}
const backends = names.length > 0 ? names : backendNames()
const runtime = execFileSync(process.env.CXX || 'g++', [`-print-file-name=${library}`], {
  encoding: 'utf8',
}).trim()
const options = {
  // Node and V8 are not instrumented, and JavaScript's own order (the Atomics of event-ring.ts) is not seen: what they
  // read and write is left out, what the addon does with it is not. The argument for JavaScript stands in event_ring.h.
  TSAN_OPTIONS: 'ignore_noninstrumented_modules=1 exitcode=66 history_size=7',
  ASAN_OPTIONS: 'detect_leaks=1 exitcode=66',
  LSAN_OPTIONS: `suppressions=${join(root, 'scripts/lsan.supp')} print_suppressions=0`,
}

function build(name, flags) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/node-gyp.mjs')], {
    cwd: join(root, 'packages', `backend-${name}`),
    env: { ...process.env, CXXFLAGS: flags, LDFLAGS: flags },
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}

let failed = false
for (const name of backends) {
  build(name, `-fsanitize=${kind} -g -O1 -fno-omit-frame-pointer`)
  const suite = ['--expose-gc', join(root, 'scripts/suite.mjs'), join(root, 'packages'), name]
  const { status } = spawnSync(process.execPath, suite, {
    stdio: 'inherit',
    env: { ...process.env, ...options, LD_PRELOAD: runtime },
  })
  console.log(`${kind} sanitizer, ${name}: ${status === 0 ? 'clean' : `exit code ${status}`}`)
  failed ||= status !== 0
  build(name, '')
}
process.exit(failed ? 1 : 0)
