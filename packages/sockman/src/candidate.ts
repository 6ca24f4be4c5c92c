import { closeSync, openSync } from 'node:fs'
import process from 'node:process'
import { type Backend, type Candidate, isResourceError, type Unavailable } from '@sockman/core'

/** A backend in the package `@sockman/backend-NAME`, which need not be installed. */
export function candidate(name: string, load: () => Promise<{ backend: Backend }>): Candidate {
  const specifier = `@sockman/backend-${name}`
  return {
    name,
    async load() {
      try {
        return (await load()).backend
      } catch (error) {
        return whyAbsent(specifier, error as NodeJS.ErrnoException)
      }
    },
  }
}

/** @throws what the import threw, when the process is short of something */
function whyAbsent(specifier: string, error: NodeJS.ErrnoException): Unavailable {
  if (isResourceError(error.code)) throw error
  assertDescriptor()
  const remedy = `npm install ${specifier}`
  const { code, message } = error
  if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${specifier}'`)) {
    return { reason: 'ERR_NOT_INSTALLED', message: `${specifier} is not installed`, remedy }
  }
  return { reason: 'ERR_LOAD_FAILED', message: `${specifier} cannot be imported: ${message}`, remedy }
}

/** Without a free descriptor Node finds no module, and says that it is not there. @throws EMFILE, ENFILE */
function assertDescriptor(): void {
  closeSync(openSync(process.execPath, 'r'))
}
