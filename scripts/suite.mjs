// The conformance suite of one built backend under node:test, in this process: what the sanitizers run.
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'

const [packages, name] = process.argv.slice(2)
const at = (path) => pathToFileURL(`${packages}/${path}`).href
const { conformance } = await import(at('core/dist/conformance/index.js'))
const module = at(`backend-${name}/dist/index.js`)
const { backend } = await import(module)
conformance(backend, { describe, test, specifier: { module }, patience: 20 })
