// The tests of several packages, some at a time.
import { grouped } from './child.mjs'
import { at } from './workspace.mjs'

/**
 * Packages at a time: one more than the two cores of a small machine, since most cases wait for an event or for a process
 * to start. A case that measures takes what its own process used, not the clock, or compares with a control.
 */
const AT_ONCE = 3

/** What takes long begins first, so that nothing long runs alone at the end: the starts of folders' names, longest first. */
const LONG = ['tests', 'packages/backend-', 'bench']

const rank = (folder) => {
  const place = LONG.findIndex((start) => folder.startsWith(start))
  return place < 0 ? LONG.length : place
}

/**
 * Runs the tests of the packages in those folders, built before, all of them also after a failure. A package's output
 * comes as a whole, when it has ended. Resolves to an exit code other than 0 that one of them ended with, else to 0.
 */
export async function testAll(folders, vitestArgs, env) {
  const color = process.stdout.isTTY ? '--color' : '--no-color'
  const left = [...folders].sort((a, b) => rank(a) - rank(b))
  let worst = 0
  const lane = async () => {
    for (let folder = left.shift(); folder !== undefined; folder = left.shift()) {
      const code = await grouped('vitest', ['run', color, ...vitestArgs], { cwd: at(folder), env })
      worst ||= code
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return worst
}
