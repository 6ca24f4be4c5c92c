import { fileURLToPath } from 'node:url'

// From src/ and from dist/ alike: both stand one level below the package.
const fromPackage = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** The native programs, built by `build:native`. */
export const SERVE = fromPackage('build/Release/serve')
export const PING_LOAD = fromPackage('build/Release/ping-load')

/** The checkout's packages: the engines among them are what the bench compares. */
export const PACKAGES = fromPackage('../packages')

/** Entries of the child processes, built by `build`. */
export const TRIAL = fromPackage('dist/trial.js')
export const ECHO = fromPackage('dist/echo.js')
export const RATE_PEER = fromPackage('dist/rate-peer.js')
