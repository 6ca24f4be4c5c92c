// turbo, the task runner: it knows the order of the packages and what is already built.
import { quiet } from './child.mjs'

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
