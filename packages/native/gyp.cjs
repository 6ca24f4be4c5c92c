// Where node-gyp and the headers of the running Node are. Plain JavaScript: an installation runs it before anything is built.
const { existsSync } = require('node:fs')
const { dirname, join } = require('node:path')

const prefix = dirname(dirname(process.execPath))

/** The script of node-gyp: our own in a checkout, the package manager's in an installation. Undefined when there is none. */
exports.nodeGyp = () => {
  try {
    return require.resolve('node-gyp/bin/node-gyp.js')
  } catch {
    const bundled = join(prefix, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js')
    return [process.env.npm_config_node_gyp, bundled].find((script) => script && existsSync(script))
  }
}

/** The folder that has the running Node's headers in `include/node`; undefined when node-gyp has to fetch them. */
exports.nodeFolder = () => {
  const beside = existsSync(join(prefix, 'include/node/node_api.h')) ? prefix : undefined
  return process.env.npm_config_nodedir ?? beside
}

/** Arguments of node-gyp: the headers beside the running Node where they are (pnpm does not pass `nodedir` on); else it fetches them. */
exports.rebuild = () => {
  const nodedir = exports.nodeFolder()
  return ['rebuild', '--jobs=max', ...(nodedir ? [`--nodedir=${nodedir}`] : [])]
}
