// `npm run test:nodes`: one build of each addon, on the headers of the oldest Node, tried on every runtime.
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { lines } from './child.mjs'
import { fetchRuntime, RUNTIMES } from './runtimes.mjs'
import { SUPPORT } from './support.mjs'
import { at } from './workspace.mjs'

const USAGE = `usage: npm run test:nodes -- [options]

Runs the conformance suite of every built backend on Node ${RUNTIMES.filter(({ kind }) => kind === 'node')
  .map(({ version }) => version)
  .join(', ')}, Deno and Bun,
fetched from the npm registry once. The last line is \`N passed, N failed\`.

  --runtime NAMES   only these, of ${RUNTIMES.map(({ name }) => name).join(', ')}
  --backend NAMES   only these, such as poll,iouring
  --full            also the cases that watch an idle engine for seconds (SOCKMAN_SUITE=full: full sizes too)
  --json            the results as JSON on standard output
  --help            this text`

/** Time for a case beyond its own limit, ms, before it is taken for hung. */
const GRACE = 5000
/** Time to load the backend and register its cases, ms. */
const LOADING = 30_000

const names = (text) => text?.split(',').map((name) => name.trim())

function parse(args) {
  const { values } = parseArgs({
    args,
    options: {
      runtime: { type: 'string' },
      backend: { type: 'string' },
      full: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const choose = (option, given, all) => {
    const wrong = given?.find((name) => !all.includes(name))
    if (wrong !== undefined) throw new Error(`--${option} ${wrong}: there is ${all.join(', ')}`)
    return given ?? all
  }
  const backends = readdirSync(at('packages'))
    .filter((folder) => folder.startsWith('backend-'))
    .map((folder) => folder.slice('backend-'.length))
  const chosen = choose(
    'runtime',
    names(values.runtime),
    RUNTIMES.map(({ name }) => name),
  )
  return {
    ...values,
    runtimes: RUNTIMES.filter(({ name }) => chosen.includes(name)),
    backends: choose('backend', names(values.backend), backends),
  }
}

/**
 * The environment in which addons are built on the headers of the oldest Node, whichever Node this is. `env` is that
 * of an ordinary build, which names its own headers for the build cache.
 */
function oldestHeaders(env) {
  const [oldest] = RUNTIMES
  const major = oldest.version.split('.')[0]
  if (env.SOCKMAN_HEADERS === major) return env
  return { ...env, SOCKMAN_HEADERS: major, npm_config_nodedir: fetchRuntime(oldest).folder }
}

/** Builds with `build(env)`, runs what `args` choose, prints. Resolves to the exit code. */
export async function nodes(env, args, build) {
  let options
  try {
    options = parse(args)
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`)
    return 2
  }
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  const print = options.json ? console.error : console.log
  const rows = []
  try {
    if (!(await build(oldestHeaders(env)))) return 1
  } catch (error) {
    print(error.message)
    return 1
  }
  for (const runtime of options.runtimes) {
    let fetched
    try {
      fetched = fetchRuntime(runtime)
    } catch (error) {
      print(error.message)
      rows.push(failedRow(runtime, 'any', error.message))
      continue
    }
    for (const backend of options.backends) {
      for (const row of await tryBackend(runtime, fetched, backend, options, env)) {
        rows.push(row)
        print(`${label(row)}  ${verdict(row)}`)
        for (const { title, error } of row.failed) print(`FAILED  ${title}\n${indent(error)}`)
      }
    }
  }
  const passed = rows.reduce((sum, row) => sum + row.passed, 0)
  const failed = rows.reduce((sum, row) => sum + row.failed.length, 0)
  if (options.json) console.log(JSON.stringify({ passed, failed, rows }, null, 2))
  else console.log(`\n${table(rows)}\n${explain(rows)}\n${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0 ? 0 : 1
}

/** One row of the results: a drive of a backend on a runtime. */
const newRow = ({ kind, version }, backend, drive) => ({
  runtime: kind,
  version,
  backend,
  drive,
  passed: 0,
  failed: [],
  known: [],
  skipped: [],
  unavailable: undefined,
  seconds: 0,
})

const failedRow = (runtime, backend, error) => ({
  ...newRow(runtime, backend),
  failed: [{ title: `${runtime.name} ${backend}`, error }],
})

/** Runs one backend's cases on one runtime, in a new process after each crash. Resolves to a row for each drive. */
async function tryBackend(runtime, { program }, backend, { full }, env) {
  const { drives, unavailable, failures } = SUPPORT[runtime.kind]
  const rows = new Map()
  const known = failures.filter(({ sometimes }) => !sometimes).map(({ title }) => title)
  let begun = performance.now()
  let probe
  let current
  let done = false

  const end = (outcome, error) => {
    const { drive, title } = current
    const row = rows.get(drive)
    const expected = failures.find(
      (failure) => title.startsWith(failure.title ?? '') && (error ?? '').includes(failure.error ?? ''),
    )
    if (outcome === 'skipped') row.skipped.push(title)
    else if (outcome === 'failed' && expected) row.known.push({ ...expected, title, error })
    else if (outcome === 'failed') row.failed.push({ title, error })
    else if (expected && !expected.sometimes) {
      row.failed.push({
        title,
        error: 'passes: it is a known failure no more, strike it from scripts/support.mjs',
      })
    } else row.passed++
    row.seconds += (performance.now() - begun) / 1000
    begun = performance.now()
    current = undefined
  }
  const heard = (line) => {
    const event = JSON.parse(line)
    if (event.event === 'probe') {
      probe = event
      if (!event.available) return LOADING
      for (const drive of event.drives) {
        if (!rows.has(drive)) rows.set(drive, newRow(runtime, backend, drive))
      }
    } else if (event.event === 'start') {
      current = event
      return (event.limit ?? 0) + GRACE
    } else if (event.event === 'end') {
      end(event.outcome, event.error)
    } else if (event.event === 'done') {
      done = true
    }
    return LOADING
  }

  for (let from = 0; !done; ) {
    const script = [at('scripts/subset.mjs'), at('packages'), backend, JSON.stringify({ full, known, from })]
    const { how, stderr } = await lines(program, [...runtime.args, ...script], {
      env: { ...env, ...runtime.env },
      patience: LOADING,
      heard,
    })
    if (done) break
    const error = `the process ended with ${how}: ${stderr.trim() || 'nothing on standard error'}`
    if (!current) return [failedRow(runtime, backend, error)]
    from = current.index + 1
    end('failed', error)
  }
  if (!probe.available) {
    const reason = unavailable[backend]
    if (reason === undefined)
      return [failedRow(runtime, backend, `unavailable: ${probe.reason}, ${probe.message}`)]
    return [{ ...newRow(runtime, backend), unavailable: reason }]
  }
  if (unavailable[backend] !== undefined) {
    const error = 'is available: strike it from scripts/support.mjs'
    rows
      .values()
      .next()
      .value.failed.push({ title: `${runtime.name} ${backend}`, error })
  }
  for (const drive of probe.supported) {
    if (rows.has(drive) || (drives && !drives.includes(drive))) continue
    rows.set(drive, { ...failedRow(runtime, backend, `the ${drive} drive is not offered`), drive })
  }
  return [...rows.values()]
}

/** `iouring:inline`, or the backend alone when no drive was had. */
const place = ({ backend, drive }) => (drive === undefined ? backend : `${backend}:${drive}`)

const label = (row) => `${`${row.runtime} ${row.version}`.padEnd(14)} ${place(row).padEnd(16)}`

function verdict({ passed, failed, known, unavailable, seconds }) {
  if (unavailable !== undefined) return `unavailable: ${unavailable}`
  const also = known.length > 0 ? `, ${known.length} known to fail` : ''
  return `${passed} passed, ${failed.length} failed${also}  ${seconds.toFixed(1)} s`
}

/** A line for each backend and drive, a column for each runtime. */
function table(rows) {
  const columns = [...new Set(rows.map(({ runtime, version }) => `${runtime} ${version}`))]
  const groups = new Map()
  for (const row of rows) groups.set(place(row), [...(groups.get(place(row)) ?? []), row])
  const cell = (row) => {
    if (!row) return '–'
    if (row.unavailable !== undefined) return 'unavailable'
    const total = row.passed + row.failed.length + row.known.length
    return row.passed === total ? `${total}` : `${row.passed} of ${total}`
  }
  const lines = [
    ['', ...columns],
    ...[...groups].map(([name, group]) => [
      name,
      ...columns.map((column) =>
        cell(group.find(({ runtime, version }) => `${runtime} ${version}` === column)),
      ),
    ]),
  ]
  const widths = lines[0].map((_, index) => Math.max(...lines.map((line) => line[index].length)))
  return lines
    .map((line) =>
      line.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  '),
    )
    .join('\n')
}

/** The known failures, each once, with its reason. */
function explain(rows) {
  const texts = rows.flatMap(({ runtime, known }) =>
    known.map(({ title, reason, upstream }) => {
      const where = upstream === undefined ? '' : ` (${upstream})`
      return `known on ${runtime}  ${title}\n    ${reason}${where}\n`
    }),
  )
  return [...new Set(texts)].join('')
}

const indent = (text) => text.replace(/^/gm, '    ')
