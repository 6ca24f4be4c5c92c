// One summary over the test runs of all packages.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { TALLIES } from './tally.mjs'
import { manifest } from './workspace.mjs'

const file = (folder) => `${TALLIES}/${basename(folder)}.json`

/** Forgets the last run, so that a package that dies without a result is noticed. */
export function forget() {
  rmSync(TALLIES, { recursive: true, force: true })
}

/**
 * Reads the result of the package in each of `folders` and prints what failed, what was skipped and why, and as the last
 * line `N passed, N failed`. A package without a result counts as one failure, and so does a runner's `code` other than 0
 * that no case explains. Returns the exit code, not 0 either when nothing ran.
 *
 * In a run `narrowed` by arguments a package may be left without a case, which vitest takes for a failure, and the cases
 * left out have no reason: neither is told.
 */
export function summarize(code, folders, { narrowed }) {
  let passed = 0
  const failed = []
  const skipped = new Map()
  for (const folder of folders) {
    if (!existsSync(file(folder))) {
      failed.push(`${manifest(folder).name}: ended without a result, see above`)
      continue
    }
    const tally = JSON.parse(readFileSync(file(folder), 'utf8'))
    passed += tally.passed
    failed.push(...tally.failed.map((title) => `${tally.name}: ${title}`))
    for (const { title, reason } of tally.skipped) {
      if (narrowed && !reason) continue
      const key = `${tally.name}: ${reason ?? 'no reason given'}`
      skipped.set(key, [...(skipped.get(key) ?? []), title])
    }
  }
  if (code !== 0 && !narrowed && failed.length === 0)
    failed.push(`the test runner ended with ${code}, see above`)
  console.log()
  for (const [reason, titles] of skipped) {
    console.log(`skipped ${titles.length}  ${reason}`)
    for (const title of titles.slice(0, 5)) console.log(`            ${title}`)
    if (titles.length > 5) console.log(`            and ${titles.length - 5} more`)
  }
  for (const title of failed) console.log(`FAILED  ${title}`)
  console.log(`${passed} passed, ${failed.length} failed`)
  return failed.length === 0 && passed > 0 ? 0 : 1
}
