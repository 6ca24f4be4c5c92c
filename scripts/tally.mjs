// A vitest reporter that leaves one package's result for the summary over all of them. vitest's own JSON reporter
// does not say why a case was skipped.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { at } from './workspace.mjs'

/** Where the results of one run lie, a file per package. */
export const TALLIES = at('node_modules/.tally')

export default class Tally {
  /**
   * Counts the cases, each module that did not load and each error outside of a case as one failure, and writes
   * `{ name, passed, failed: [title], skipped: [{ title, reason }] }`.
   */
  onTestRunEnd(modules, unhandledErrors) {
    const tally = {
      name: JSON.parse(readFileSync('package.json', 'utf8')).name,
      passed: 0,
      failed: [],
      skipped: [],
    }
    for (const module of modules) {
      const where = [module.project.name, module.relativeModuleId].filter(Boolean).join(' ')
      for (const error of module.errors()) tally.failed.push(`${where}: ${error.message}`)
      for (const suite of module.children.allSuites()) {
        for (const error of suite.errors()) tally.failed.push(`${where} ${suite.fullName}: ${error.message}`)
      }
      for (const test of module.children.allTests()) {
        const { state, note } = test.result()
        // A case of the suite that cannot run here has its reason in its name.
        const [, name, why] = /^(.*?)(?: \[skipped: (.*)\])?$/s.exec(test.fullName)
        const title = `${where} ${name}`
        if (state === 'passed') tally.passed++
        else if (state === 'skipped') tally.skipped.push({ title, reason: note ?? why })
        else tally.failed.push(title)
      }
    }
    for (const error of unhandledErrors) tally.failed.push(`outside of a case: ${error.message}`)
    mkdirSync(TALLIES, { recursive: true })
    writeFileSync(`${TALLIES}/${basename(process.cwd())}.json`, JSON.stringify(tally))
  }
}
