// What a machine must have before anything can be installed or built.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { at } from './workspace.mjs'

const NODE = [20, 19]

function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The line that installs Debian packages, ready to paste. */
function aptLine(packages) {
  return `${process.getuid?.() === 0 ? '' : 'sudo '}apt-get install -y ${packages.join(' ')}`
}

/** The compilers node-gyp shall use: the user's own, else g++, else clang. Undefined when there is none. */
function compilers() {
  if (process.env.CXX) return { CXX: process.env.CXX }
  if (onPath('g++')) return { CXX: 'g++' }
  return onPath('clang++') ? { CC: 'clang', CXX: 'clang++' } : undefined
}

/** Whether a library can be compiled and linked here: asks what the build asks, which is `script`. */
function has(script, env) {
  return spawnSync(process.execPath, [at(script)], { env, encoding: 'utf8' }).stdout.trim() === 'yes'
}

/**
 * Checks Node and the tools of a native build. Returns the environment the build needs (compilers, and whether
 * liburing and the system's libuv are there, so that a cached build without them is not taken for one with them). When
 * something is missing it names the line that installs it and exits with 1. Without liburing it says so in one line and
 * goes on; libuv is for one test alone, which says that it is left out.
 */
export function checkRequirements() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < NODE[0] || (major === NODE[0] && minor < NODE[1])) {
    console.error(
      `sockman needs Node >= ${NODE.join('.')}, this is ${process.versions.node}: see https://nodejs.org`,
    )
    process.exit(1)
  }
  const found = compilers()
  const missing = [...(found ? [] : ['g++']), ...['make', 'python3'].filter((program) => !onPath(program))]
  if (missing.length > 0) {
    console.error(`missing on this machine: ${missing.join(', ')}. Install with\n\n    ${aptLine(missing)}\n`)
    process.exit(1)
  }
  const liburing = has('packages/backend-iouring/have-liburing.cjs', { ...process.env, ...found })
  if (!liburing) {
    console.error(
      `io_uring backend: not built, liburing is missing. Enable it with: ${aptLine(['liburing-dev'])}`,
    )
  }
  const libuv = has('tests/have-libuv.cjs', { ...process.env, ...found })
  return { ...found, SOCKMAN_LIBURING: liburing ? 'yes' : 'no', SOCKMAN_LIBUV: libuv ? 'yes' : 'no' }
}
