// Both suites of one built backend, SockMan's and Sock's, under node:test, in this process: what the sanitizers run.
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'

const [packages, name] = process.argv.slice(2)
const at = (path) => pathToFileURL(`${packages}/${path}`).href
const { conformance, sockConformance } = await import(at('core/dist/conformance/index.js'))
const module = at(`backend-${name}/dist/index.js`)
const { backend } = await import(module)
const patience = 20
conformance(backend, { describe, test, specifier: { module }, patience })
const { socks, createSockMan } = backend
const isOpen = (fd) => existsSync(`/proc/self/fd/${fd}`)
sockConformance(
  { ...socks, createSockMan, isOpen, errorsAlone: name !== 'select' },
  { describe, test, patience },
)
