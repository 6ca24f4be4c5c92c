// Both suites of one built backend, SockMan's and Sock's, under node:test, in this process: what the sanitizers run.
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'

const [packages, name] = process.argv.slice(2)
const at = (path) => pathToFileURL(`${packages}/${path}`).href
const { conformance, nativeSockConformance } = await import(at('core/dist/conformance/index.js'))
const module = at(`backend-${name}/dist/index.js`)
const { backend } = await import(module)
const runner = { describe, test, patience: 20, sanitized: true }
conformance(backend, { ...runner, specifier: { module } })
nativeSockConformance(backend, { ...runner, errorsAlone: name !== 'select' })
