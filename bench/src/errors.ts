/** A wrong command line: the CLI prints its message and ends with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * A run that cannot go on, for a reason the user can do something about: printed as one line, exit code 1.
 */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}
