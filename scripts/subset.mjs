// The conformance suite of one built backend, or the part of it that is quick, on whatever runtime this is: Deno and
// Bun have no complete node:test. Says what happens as lines of JSON, so that a crash is known by its case.
//
// PACKAGES BACKEND OPTIONS, the last as JSON: `{ full, known: [title], from }`, where `known` are beginnings of titles
// that are tried last and not waited for, and `from` is the index of the first case to run.
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [packages, name, options] = process.argv.slice(2)
const { full, known, from } = JSON.parse(options)
const at = (path) => pathToFileURL(`${packages}/${path}`).href

/**
 * Left out of the quick part: seconds of looking at an engine that does nothing, and descriptors that run out or go bad,
 * or JavaScript that stands still, in a process of its own, spoken with over a socket it inherits, which is none to Deno
 * and Bun. What either finds the kernel or the engine decides, not the runtime.
 */
const LONG = /^C(8|21|22|34|35|36|37|39|71|85) /
/** Factor on the deadline of a case that is known to fail. */
const IMPATIENCE = 0.2

const say = (event) => writeSync(1, `${JSON.stringify(event)}\n`)

const { conformance } = await import(at('core/dist/conformance/index.js'))
const module = at(`backend-${name}/dist/index.js`)
const { backend } = await import(module)
const probe = backend.probe()
say({ event: 'probe', ...probe, supported: backend.supports.drives })

const cases = []
/** A runner that keeps the cases whose title `wanted` accepts. */
function runner(wanted) {
  let drive = ''
  const test = (title, body, limit) => {
    if (wanted(title)) cases.push({ drive, title, limit, body })
  }
  test.skip = (title) => {
    if (wanted(title)) cases.push({ drive, title, skipped: true })
  }
  return {
    describe(group, body) {
      drive = group
      body()
    },
    test,
    specifier: { module },
  }
}
if (probe.available) {
  const isKnown = (title) => known.some((start) => title.startsWith(start))
  const isQuick = (title) => full || !LONG.test(title)
  conformance(
    backend,
    runner((title) => isQuick(title) && !isKnown(title)),
  )
  conformance(backend, { ...runner((title) => isQuick(title) && isKnown(title)), patience: IMPATIENCE })
}

for (const [index, { drive, title, limit, skipped, body }] of cases.entries()) {
  if (index < from) continue
  say({ event: 'start', index, drive, title, limit })
  if (skipped) {
    say({ event: 'end', outcome: 'skipped' })
    continue
  }
  try {
    await body()
    say({ event: 'end', outcome: 'passed' })
  } catch (error) {
    say({ event: 'end', outcome: 'failed', error: String(error?.stack ?? error) })
  }
}
say({ event: 'done' })
process.exit()
