// For binding.gyp: whether liburing's header and static library are here. Without them nothing is built, and the
// backend's probe says so.
const { spawnSync } = require('node:child_process')

const source = '#include <liburing.h>\nint main() { return io_uring_get_probe() != 0; }\n'
const compiler = process.env.CXX || 'c++'
const { status } = spawnSync(compiler, ['-x', 'c++', '-', '-l:liburing.a', '-o', '/dev/null'], {
  input: source,
})
console.log(process.platform === 'linux' && status === 0 ? 'yes' : 'no')
