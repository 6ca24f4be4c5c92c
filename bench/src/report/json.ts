import { writeFileSync } from 'node:fs'
import { BenchError } from '../errors'
import { describeMachine } from './machine'

/** Of what `--json` writes; raised when a reader of the old form would misread the new one. */
export const SCHEMA_VERSION = 1

/**
 * Writes a result with the schema's version, the scenario and the machine in front.
 *
 * @throws BenchError when the file cannot be written
 */
export function writeJson(
  file: string,
  scenario: 'ibd' | 'ping' | 'micro' | 'lines' | 'memory' | 'rate',
  result: object,
): void {
  const document = {
    schemaVersion: SCHEMA_VERSION,
    scenario,
    date: new Date().toISOString(),
    machine: describeMachine(),
    ...result,
  }
  try {
    writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`)
  } catch (error) {
    throw new BenchError(`cannot write ${file}: ${(error as Error).message}`)
  }
}
