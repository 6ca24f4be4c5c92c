// The install script of every engine's package: builds the addon in the current folder. It never fails, so that an engine
// that cannot be built takes nothing else down: the first line of `build/not-built.txt` says why, which is what the
// engine's probe answers, and the rest is the log. `npm rebuild` tries again.
const { spawnSync } = require('node:child_process')
const { existsSync, mkdirSync, readdirSync, writeFileSync } = require('node:fs')
const { nodeGyp, rebuild } = require('./gyp.cjs')

const NOTE = 'build/not-built.txt'

/** What a log has to say, the most telling first. */
const TELLING = [
  /^.*\bfatal error: .*$/m,
  /^.* error: .*$/m,
  /^gyp ERR! stack Error: (.*)$/m,
  /^gyp ERR! (.*)$/m,
]

function build() {
  const script = nodeGyp()
  if (!script) return note('node-gyp is missing: npm and pnpm bring it')
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [script, ...rebuild()], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  })
  const log = `${stdout}${stderr}`
  if (error || status !== 0) return note(error?.message ?? telling(log), log)
  const addon =
    existsSync('build/Release') && readdirSync('build/Release').some((file) => file.endsWith('.node'))
  if (!addon && !existsSync(NOTE)) note('node-gyp built no addon', log)
}

function telling(log) {
  const match = TELLING.map((pattern) => pattern.exec(log)).find(Boolean)
  return match ? (match[1] ?? match[0]).trim() : 'node-gyp failed'
}

function note(reason, log = '') {
  mkdirSync('build', { recursive: true })
  writeFileSync(NOTE, `${reason}\n${log && `\n${log}`}`)
  console.error(`not built: ${reason}`)
}

// A checkout is built by its own scripts, in the right order and only where something has changed.
if (!existsSync('tsup.config.ts')) build()
