// For binding.gyp: whether liburing's header and static library are here, or with the argument `version` which one.
// Without them nothing is built, and the backend's probe says what `build/not-built.txt` does.
const { spawnSync } = require('node:child_process')
const { mkdirSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')

/** Of liburing 2.4 and later the header knows, of an older one its package. */
function version() {
  const source = '#include <liburing/io_uring_version.h>\nIO_URING_VERSION_MAJOR.IO_URING_VERSION_MINOR\n'
  const header = run(compiler, ['-x', 'c', '-E', '-P', '-'], source)
  if (header.status === 0) return header.stdout.replace(/\s/g, '')
  const known = run('pkg-config', ['--modversion', 'liburing'])
  return known.status === 0 ? known.stdout.trim() : 'before 2.4'
}

function built() {
  const source = '#include <liburing.h>\nint main() { return io_uring_get_probe() != 0; }\n'
  return run(compiler, ['-x', 'c++', '-', '-l:liburing.a', '-o', '/dev/null'], source).status === 0
}

const compiler = process.env.CXX || 'c++'
const run = (command, args, input = '') => spawnSync(command, args, { input, encoding: 'utf8' })

if (process.argv[2] === 'version') {
  console.log(version())
} else if (process.platform === 'linux' && built()) {
  console.log('yes')
} else {
  const build = join(__dirname, 'build')
  mkdirSync(build, { recursive: true })
  writeFileSync(
    join(build, 'not-built.txt'),
    'liburing is missing: its header liburing.h or its library liburing.a\n',
  )
  console.log('no')
}
