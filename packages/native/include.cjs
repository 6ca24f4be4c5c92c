// For binding.gyp: where the headers are.
const { join, dirname } = require('node:path')

exports.headers = join(__dirname, 'include')
exports.addonApi = dirname(require.resolve('node-addon-api'))
