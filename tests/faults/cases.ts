import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { errnoOf } from '@sockman/core'
import { type Place, points } from './points'

/** The addons with fault points. */
export const addons = fileURLToPath(new URL('build/Release', import.meta.url))

/** The `nth` call of a point, and those after it, fail with an errno. */
export interface Case {
  readonly point: string
  readonly nth: number
  readonly code: string
  readonly times: number
}

/** What is open, and pieces of memory in use. */
interface Left {
  readonly descriptors: number
  readonly threads: number
  readonly memory: number
}

/** How a tour ended. */
export interface Toured {
  readonly seen: readonly string[]
  readonly fired: number
  readonly calls: Readonly<Record<string, number>>
  readonly wakeups: number
  readonly cpu: number
  readonly broke?: string
  readonly left: Left
  readonly before: Left
}

type Line = { clean?: Omit<Toured, 'left' | 'before'>; begin?: string; end?: string } & Toured

const lineOf = ({ point, nth, code, times }: Case): string => `${point} ${nth} ${errnoOf(code)} ${times}`

/** ms in which a process says what comes of a case; it ends a hang itself after 8 000. */
const PATIENCE = 20_000

/**
 * Plays `cases` of a row; a process that ends on the way is followed by another, which goes on after it. `exits` are the
 * ends of those that came to their end in order.
 */
export async function play(
  { backend, drive }: Place,
  cases: readonly Case[],
): Promise<{ clean: Toured; ended: ReadonlyMap<Case, Toured | string>; exits: readonly string[] }> {
  const ended = new Map<Case, Toured | string>()
  const exits: string[] = []
  let clean: Toured | undefined
  let left = cases
  do {
    const child = spawn(
      process.execPath,
      ['--expose-gc', fileURLToPath(new URL('../fixtures/faults.mjs', import.meta.url)), backend, drive],
      { env: { ...process.env, SOCKMAN_ADDONS: addons }, stdio: ['pipe', 'pipe', 'pipe'] },
    )
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    child.stdin.on('error', () => {}) // it has ended before it read all
    child.stdin.end(left.map((each) => `${lineOf(each)}\n`).join(''))
    const exited = new Promise<string>((resolve) =>
      child.once('close', (code, signal) => resolve(`${signal ?? `exit code ${code}`} ${errors}`)),
    )
    let done = 0
    let broke = false
    // One that hangs in its own end, too, says nothing any more.
    const kill = () => child.kill('SIGKILL')
    let patience = setTimeout(kill, PATIENCE)
    for await (const text of createInterface({ input: child.stdout })) {
      clearTimeout(patience)
      patience = setTimeout(kill, PATIENCE)
      const line = JSON.parse(text) as Line
      if (line.clean) clean = { ...line.clean, left: line.left, before: line.before }
      if (line.end === undefined) continue
      ended.set(left[done++]!, line)
      broke = line.broke !== undefined
    }
    const how = await exited
    clearTimeout(patience)
    if (!clean) throw new Error(`the tour without a fault did not end: ${how}`)
    if (done < left.length && ended.size < cases.length) {
      // Ended by the process itself, after a case that broke; or in the middle of one.
      if (broke) left = left.slice(done)
      else {
        ended.set(left[done]!, `the process ended: ${how}`)
        left = left.slice(done + 1)
      }
    } else {
      left = []
      if (!broke) exits.push(how)
    }
  } while (left.length > 0)
  return { clean: clean!, ended, exits }
}

/** What is wrong with how a case ended; empty when it is as documented. */
export function faultsOf(
  place: Place,
  each: Case,
  toured: Toured | string,
  clean: Toured,
  must: boolean,
): string[] {
  if (typeof toured === 'string') return [toured]
  const { told, quiet, later } = points[each.point]!
  const wrong: string[] = []
  if (toured.broke) wrong.push(toured.broke)
  if (must && toured.fired === 0) wrong.push('the tour did not come there')
  // What the set does not know, or knows without being told, is a descriptor that somebody has closed.
  const foreign = each.point === 'epoll_ctl' && ['ENOENT', 'EEXIST'].includes(each.code)
  const code = foreign ? `(${each.code}|EBADF)` : each.code
  const pattern = told && new RegExp(told.source.replaceAll('CODE', code))
  const settled = quiet !== 'all' && quiet?.includes(each.code) === true
  for (const line of toured.seen) {
    // Who calls by a Sock is told what the system answers, whatever it is.
    if (!pattern?.test(line) || (settled && !line.startsWith('sock '))) wrong.push(`told: ${line}`)
  }
  const silent = settled || quiet === 'all' || (!must && later?.(place) === true)
  if (toured.fired > 0 && !silent && toured.seen.length === 0) wrong.push('nobody was told')
  if (toured.left.descriptors > toured.before.descriptors)
    wrong.push(`left open: ${toured.left.descriptors - toured.before.descriptors} descriptors`)
  if (toured.left.threads > toured.before.threads)
    wrong.push(`left running: ${toured.left.threads - toured.before.threads} threads`)
  if (toured.left.memory > toured.before.memory)
    wrong.push(`left in use: ${toured.left.memory - toured.before.memory} pieces of memory`)
  if (toured.wakeups > 10 * clean.wakeups + 200) wrong.push(`spins: ${toured.wakeups} wake-ups`)
  if (toured.cpu > 5 * clean.cpu + 1500) wrong.push(`spins: ${toured.cpu} ms of CPU`)
  return wrong
}
