// turbo, the task runner: it knows the order of the packages and what is already built.
import { attached, quiet } from './child.mjs'

/**
 * Runs `tasks` where they are out of date, in one line of output unless they fail. `filter` limits them, in turbo's
 * words. Resolves to success.
 */
export function turbo(label, tasks, filter, env) {
  const args = [
    'run',
    ...tasks,
    ...filter.map((each) => `--filter=${each}`),
    '--output-logs=errors-only',
    '--ui=stream',
  ]
  return quiet(label, 'turbo', args, { env })
}

/**
 * Runs the tests of the packages in those folders, built before, all of them also after a failure. Two packages
 * run at a time, since most cases wait for an event: a case that measures takes what its own process used, not the
 * clock. Resolves to the exit code.
 */
export function turboTest(folders, vitestArgs, env) {
  const args = [
    'run',
    'test',
    '--only',
    ...folders.map((folder) => `--filter=./${folder}`),
    '--concurrency=2',
    '--continue=dependencies-successful',
    // A package's output as a whole, when it has ended: two at once would mix their lines.
    '--log-order=grouped',
    '--ui=stream',
  ]
  const color = process.stdout.isTTY ? [] : ['--no-color']
  return attached('turbo', [...args, ...color, '--log-prefix=none', '--', ...color, ...vitestArgs], { env })
}
