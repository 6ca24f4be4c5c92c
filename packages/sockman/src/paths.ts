import { fileURLToPath } from 'node:url'

// From src/ and from dist/ alike: both stand one level below the package.
const fromPackage = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

export const MANIFEST = fromPackage('package.json')

/** The built entry of a measurement's process. */
export const TRIAL = fromPackage('dist/trial.js')
