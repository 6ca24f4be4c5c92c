// For binding.gyp: whether the system's libuv can be compiled and linked here. The addon needs none, for Node brings
// its own; a program without Node has to.
const { spawnSync } = require('node:child_process')

const source = '#include <uv.h>\nint main() { return uv_version() == 0; }\n'
const { status } = spawnSync(process.env.CXX || 'c++', ['-x', 'c++', '-', '-luv', '-o', '/dev/null'], {
  input: source,
  encoding: 'utf8',
})
console.log(status === 0 ? 'yes' : 'no')
